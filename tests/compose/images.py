"""The images that the compose file names: stand-ins for other people's, builds of our own.

An engine without a registry cannot have the digests of pins: its images have only names and tags.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.servers.programs import mongod
from tests.compose.engine import Engine
from tests.compose.trees import PYTHON, SERVERS, Tree
from tests.support.deployment import ROOT, Dockerfile

_STAND_INS = Path(__file__).parent / "stand_ins"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PREFIX = "madang-stand-in-"
_DIGEST = re.compile(r"@sha256:\w+")


def make_images(engine: Engine, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Make every image of the services of a compose file."""
    for tree in (PYTHON, SERVERS):
        _import(engine, tree)
    ours = {part["image"]: part["build"] for part in parts.values() if "build" in part}
    others = {part["image"] for part in parts.values()} - ours.keys()
    for build in ours.values():
        others |= set(Dockerfile(ROOT / build["dockerfile"]).bases)
    with tempfile.TemporaryDirectory() as work:
        context = Path(work) / "context"
        shutil.copytree(_STAND_INS, context)
        shutil.copy(_CERTIFICATES, context / "certificates.pem")
        shutil.copy(mongod(), context / "mongod")
        for image in sorted({without_digest(image) for image in others}):
            print(f"stand-in for {image}", flush=True)
            engine.build(image, context, "--target", _target(image))
        for image, build in ours.items():
            print(f"image {image}", flush=True)
            dockerfile = Path(work) / "Dockerfile"
            dockerfile.write_text(_without_digests(ROOT / build["dockerfile"]), encoding="utf-8")
            engine.build(image, ROOT / build["context"], "--file", dockerfile)


def without_digest(image: str) -> str:
    """Return the name and tag of an image."""
    return image.partition("@")[0]


def _without_digests(dockerfile: Path) -> str:
    lines = dockerfile.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(_DIGEST.sub("", line) if line.startswith("FROM ") else line for line in lines)


def _import(engine: Engine, tree: Tree) -> None:
    version = _PREFIX + tree.version
    if not engine.has_image(version):
        print(f"Debian tree {tree.version}", flush=True)
        engine.docker("import", tree.archive(), version)
    engine.docker("tag", version, _PREFIX + tree.name)


def _target(image: str) -> str:
    """Return the stage that stands in for an image: `prom/prometheus:v3` is `prometheus`."""
    return image.partition(":")[0].rpartition("/")[2]
