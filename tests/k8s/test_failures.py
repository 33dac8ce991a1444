"""Pods are killed and evicted while clients send messages."""

import asyncio
from functools import partial

from stack.servers.deadline import wait_until
from tests.k8s.conftest import Under
from tests.k8s.figures import Traffic
from tests.k8s.images import SERVICES
from tests.k8s.product import Kubernetes, ours

_EVICT_SECONDS = 120


async def test_killing_a_pod_of_each_service_loses_nothing(
    product: Kubernetes, under: Under
) -> None:
    async with under():
        for service in SERVICES:
            await asyncio.to_thread(_kill_one, product, service)


async def test_evicting_every_pod_loses_nothing(
    product: Kubernetes, under: Under, traffic: Traffic
) -> None:
    async with under():
        for service in SERVICES:
            await asyncio.to_thread(_evict_all, product, service)

    assert traffic.failures == {}


def _kill_one(product: Kubernetes, service: str) -> None:
    """Delete a pod without the time to stop; wait until another one is ready."""
    victim, *others = product.pods(service)
    product.cluster.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    product.cluster.await_pods(ours((service,)), 1 + len(others))


def _evict_all(product: Kubernetes, service: str) -> None:
    """Evict the pods one after the other, as a node that is drained, as the budget allows."""
    pods = product.pods(service)
    for pod in pods:
        assert wait_until(partial(product.cluster.evict, pod), seconds=_EVICT_SECONDS)
    product.cluster.await_pods(ours((service,)), len(pods))
