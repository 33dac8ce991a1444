"""Writes the published contracts and the lists of settings, from the code alone.

python -m contracts.generate FOLDER
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from contracts.asyncapi import asyncapi
from contracts.events import sample, schema
from contracts.openapi import merged_document, service_document
from contracts.settings import setting_names, settings_page
from madang_common.events.kinds import DURABLE, LIVE
from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import services


def main() -> None:
    """Write every contract below the folder, the repository's root, given on the command line."""
    folder = Path(sys.argv[1])
    for name, text in asyncio.run(contracts()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


async def contracts() -> list[tuple[str, str]]:
    """Return each contract's path and text."""
    with tempfile.TemporaryDirectory() as data:
        async with services(StandaloneSettings(data_dir=Path(data))) as apps:
            documents = {name: service_document(name, app) for name, app in apps.items()}
    found = [
        (f"contracts/openapi/{name}.json", _json(document)) for name, document in documents.items()
    ]
    found.append(("web/openapi.json", _json(merged_document(documents))))
    found.append(
        ("contracts/asyncapi.yaml", yaml.safe_dump(asyncapi(), sort_keys=False, width=100))
    )
    found.append(("docs/settings.md", settings_page()))
    found.append(("libs/common/madang_common/setting_names.txt", setting_names()))
    return found + list(_events())


def _events() -> Iterator[tuple[str, str]]:
    for kind in sorted(DURABLE | LIVE):
        yield f"contracts/events/{kind}.schema.json", _json(schema(kind))
        yield f"contracts/events/{kind}.sample.json", _json(sample(kind))


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
