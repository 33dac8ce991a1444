"""The gateways are scaled up and down while clients send messages."""

import asyncio

from tests.k8s.conftest import Under
from tests.k8s.figures import Traffic
from tests.k8s.product import Kubernetes, ours

_GATEWAY = ("gateway",)


async def test_scaling_the_gateways_loses_nothing(
    product: Kubernetes, under: Under, traffic: Traffic
) -> None:
    async with under() as clients:
        for replicas in (4, 1, 2):
            await asyncio.to_thread(_scale, product, replicas)
            await clients.acknowledge(2 * product.place.per_second)

    assert traffic.failures == {}


def _scale(product: Kubernetes, replicas: int) -> None:
    product.cluster.scale(product.deployments(_GATEWAY), replicas)
    product.cluster.await_pods(ours(_GATEWAY), replicas)
