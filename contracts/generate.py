"""Writes contracts/, the lists of settings, the README of the chart and the pins of images.

python -m contracts.generate [--check]
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
import yaml

from contracts.asyncapi import asyncapi
from contracts.chart import readme
from contracts.diff import diff, report
from contracts.events import sample, schema
from contracts.images import pins
from contracts.openapi import merged_document, service_document
from contracts.settings import setting_names, settings_page
from madang_common.events.kinds import KINDS
from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import services

ROOT = Path(__file__).parents[1]
_MERGED = "web/public/openapi.json"
_SETTING_NAMES = "libs/common/madang_common/setting_names.txt"
_GENERATED = (
    "contracts/asyncapi.yaml",
    "contracts/events/*.json",
    "contracts/openapi/*.json",
    readme.PAGE,
    "docs/settings.md",
    _MERGED,
    _SETTING_NAMES,
)
"""Patterns of the files that are generated as a whole."""


def main() -> int:
    """Write every contract, or with `--check` compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a diff")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    generated = asyncio.run(contracts())
    if parser.parse_args().check:
        return report(diff(committed(), generated), command="make contracts")
    for name in committed().keys() - generated.keys():
        (ROOT / name).unlink()
    for name, text in generated.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


async def contracts() -> dict[str, str]:
    """Return the text of each contract, by its path below the repository's root."""
    with tempfile.TemporaryDirectory() as data:
        async with services(StandaloneSettings(data_dir=Path(data))) as apps:
            documents = {name: service_document(name, app) for name, app in apps.items()}
    found = {
        f"contracts/openapi/{name}.json": _json(document) for name, document in documents.items()
    }
    found[_MERGED] = _json(merged_document(documents))
    found["contracts/asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=100)
    found["docs/settings.md"] = settings_page()
    found[_SETTING_NAMES] = setting_names()
    found |= pins.pinned(pins.files(ROOT), pins.read(ROOT).values())
    found[readme.PAGE] = readme.readme(found[readme.VALUES])
    return found | dict(_events())


def committed() -> dict[str, str]:
    """Return the text of each generated file that exists, by its path."""
    paths = [path for pattern in _GENERATED for path in ROOT.glob(pattern)]
    return pins.files(ROOT) | {
        str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths
    }


def _events() -> Iterator[tuple[str, str]]:
    for kind in sorted(KINDS):
        yield f"contracts/events/{kind}.schema.json", _json(schema(kind))
        yield f"contracts/events/{kind}.sample.json", _json(sample(kind))


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
