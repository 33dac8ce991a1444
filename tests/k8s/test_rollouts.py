"""Every Deployment is rolled while clients send messages."""

import asyncio

from tests.k8s.conftest import Under
from tests.k8s.figures import Traffic
from tests.k8s.product import Kubernetes, component, of
from tests.k8s.release import NAME


async def test_rolling_deployments_one_by_one_loses_nothing(
    product: Kubernetes, under: Under, traffic: Traffic
) -> None:
    async with under():
        for deployment in product.cluster.names("deployments", of(NAME)):
            await asyncio.to_thread(_roll, product, deployment)

    assert traffic.failures == {}


async def test_rolling_all_deployments_at_once_loses_nothing(
    product: Kubernetes, under: Under, traffic: Traffic
) -> None:
    deployments = product.cluster.names("deployments", of(NAME))
    async with under():
        await asyncio.to_thread(_roll, product, *deployments)

    assert traffic.failures == {}


def _roll(product: Kubernetes, *deployments: str) -> None:
    names = [f"deployment/{name}" for name in deployments]
    product.cluster.kubectl("rollout", "restart", *names)
    product.cluster.await_rollout(*names)
    for name in deployments:
        service = name.rpartition("-")[2]
        product.cluster.await_pods(f"{of(NAME)},{component(service)}", 2)
