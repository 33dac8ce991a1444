"""Fixtures: a registry of images, and a client that pushes to it."""

import time
from collections.abc import Iterator

import httpx
import pytest

from stack.run import ServerRun
from stack.servers.image_registry import ImageRegistry


@pytest.fixture(scope="module")
def image_registry(
    server_run: ServerRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ImageRegistry]:
    """Give a running registry that asks for no token."""
    server_run.watch()
    server = ImageRegistry(
        server_run.folder / f"registry_{time.monotonic_ns()}",
        images=tmp_path_factory.mktemp("images"),
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def pushing(image_registry: ImageRegistry) -> Iterator[httpx.Client]:
    """Give a client by which images are pushed."""
    with httpx.Client(base_url=f"http://{image_registry.host}", trust_env=False) as client:
        yield client
