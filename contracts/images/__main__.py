"""Renews the digests of third-party images, and the files that repeat them.

python -m contracts.images [--registry HOST]
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from contracts.images.engine import NoDefaultRegistryError, default_registry
from contracts.images.pins import LIST, UnpinnedError, files, pinned, read
from contracts.images.reference import Image, ImageReferenceError
from contracts.images.registry import Registry, RegistryError

_ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None, root: Path = _ROOT) -> int:
    """Write the digests that the registries name now; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.images", description=__doc__)
    parser.add_argument("--registry", default="", help="host of the default registry")
    try:
        registry = default_registry(parser.parse_args(arguments).registry)
        texts = files(root)
        new = pinned(texts, _renewed(list(read(root).values()), registry))
    except (ImageReferenceError, UnpinnedError, NoDefaultRegistryError, RegistryError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path, text in new.items():
        if text != texts[path]:
            (root / path).write_text(text, encoding="utf-8")
    return 0


def _renewed(images: list[Image], registry: str) -> list[Image]:
    """Return the images with the digests of their tags; raise with every failure."""
    client = Registry(registry)
    renewed, failures = [], []
    try:
        for image in images:
            try:
                digest = client.digest(image)
            except RegistryError as error:
                failures.append(str(error))
                continue
            how = "unchanged" if digest == image.digest else "new"
            sys.stdout.write(f"{image.name}:{image.tag} {digest} ({how})\n")
            renewed.append(replace(image, digest=digest))
    finally:
        client.close()
    if failures:
        raise RegistryError("\n".join([*failures, f"{LIST} was not changed"]))
    return renewed


if __name__ == "__main__":
    sys.exit(main())
