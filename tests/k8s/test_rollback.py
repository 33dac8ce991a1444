"""The release is rolled back to the previous version while clients send messages."""

import asyncio

from tests.k8s.conftest import Under
from tests.k8s.product import Kubernetes
from tests.k8s.release import Release


async def test_rollback_loses_nothing(product: Kubernetes, release: Release, under: Under) -> None:
    # The trial servers restart too, one pod each, so requests fail meanwhile.
    async with under():
        await asyncio.to_thread(release.rollback)
        await asyncio.to_thread(product.await_ready)

    # Pods of the newer version may still be closing connections.
    pods = product.running()
    images = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
    assert images == {"previous"}
