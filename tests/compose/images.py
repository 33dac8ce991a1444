"""The images that the compose file names: stand-ins for other people's, builds of our own."""

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
        for image in sorted(others):
            print(f"stand-in for {image}", flush=True)
            engine.build(image, context, "--target", _target(image))
    for image, build in ours.items():
        print(f"image {image}", flush=True)
        engine.build(image, ROOT / build["context"], "--file", ROOT / build["dockerfile"])


def _import(engine: Engine, tree: Tree) -> None:
    name = _PREFIX + tree.name
    if not engine.has_image(name):
        print(f"Debian tree {tree.name}", flush=True)
        engine.docker("import", tree.archive(), name)


def _target(image: str) -> str:
    """Return the stage that stands in for an image: `prom/prometheus:v3` is `prometheus`."""
    return image.partition(":")[0].rpartition("/")[2]
