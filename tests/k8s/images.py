"""The project's images, built with Docker and loaded into the cluster."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.k8s.command import run
from tests.k8s.place import Place
from tests.support.deployment import ROOT

SERVICES = ("gateway", "auth", "rooms", "history")
_DOCKERFILES = {
    **{f"madang-{service}": f"services/{service}/Dockerfile" for service in SERVICES},
    "madang-web": "deploy/nginx/Dockerfile",
}
_BUILD_SECONDS = 1200


def build_images(place: Place, sources: Path, tag: str) -> None:
    """Build the images from `sources`."""
    for name, file in _DOCKERFILES.items():
        run(
            [
                *("docker", "build", "--quiet", *place.build_options),
                *("--file", sources / file, "--tag", f"{name}:{tag}", sources),
            ],
            seconds=_BUILD_SECONDS,
        )


def tag_images(old: str, new: str) -> None:
    """Give the images of tag `old` a second tag."""
    for name in _DOCKERFILES:
        run(["docker", "tag", f"{name}:{old}", f"{name}:{new}"])


def load_images(place: Place, tag: str) -> None:
    """Load the images into the cluster with the command that the user named, if any."""
    if place.load_images:
        images = [f"{name}:{tag}" for name in _DOCKERFILES]
        run([*place.load_images, *images], seconds=_BUILD_SECONDS)


@contextmanager
def sources_of(ref: str) -> Iterator[Path]:
    """Give a folder with the files of a git ref."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "archive.tar"
        run(["git", "-C", ROOT, "archive", "--output", archive, ref])
        sources = Path(folder) / "sources"
        sources.mkdir()
        run(["tar", "-xf", archive, "-C", sources])
        yield sources
