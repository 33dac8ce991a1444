"""Processes of the product are killed with SIGKILL while people talk."""

import asyncio

import pytest

from stack.service import Service
from stack.stack import Stack
from tests.chaos.load import PER_SECOND, under_load
from tests.chaos.log_settings import log_shards

_LEASE_SECONDS = 10
_SLACK_SECONDS = 5
"""For the replica that is left to notice."""


@pytest.mark.parametrize("kind", ["gateways", "history", "rooms", "auth"])
async def test_nothing_is_lost_or_doubled_when_a_replica_is_killed(
    mortal_stack: Stack, kind: str
) -> None:
    victim = getattr(mortal_stack, kind)[0]
    async with under_load(mortal_stack) as clients:
        await asyncio.to_thread(victim.kill)
        await clients.acknowledge(2 * PER_SECOND)
        await asyncio.to_thread(victim.start)


async def test_nothing_is_lost_or_doubled_when_all_of_the_product_is_killed(
    mortal_stack: Stack,
) -> None:
    async with under_load(mortal_stack) as clients:
        await asyncio.to_thread(_kill_services, mortal_stack)
        await asyncio.to_thread(mortal_stack.up)
        await clients.acknowledge(PER_SECOND)


async def test_the_other_history_takes_over_within_the_lease(mortal_stack: Stack) -> None:
    first, second = mortal_stack.history
    async with under_load(mortal_stack) as clients:
        async with asyncio.timeout(_LEASE_SECONDS + _SLACK_SECONDS):
            while not await shared(first, second):
                await clients.acknowledge(1)

        await asyncio.to_thread(first.kill)
        async with asyncio.timeout(_LEASE_SECONDS + _SLACK_SECONDS):
            while await shards_held(second) < log_shards(mortal_stack):
                await clients.acknowledge(1)


async def shared(*replicas: Service) -> bool:
    """Return whether each of these replicas of history stores some of the shards."""
    return all([await shards_held(replica) for replica in replicas])


async def shards_held(history: Service) -> int:
    """Return how many shards a replica of history stores now, by its own metrics."""
    return int(await asyncio.to_thread(history.metric, "madang_history_shard_held"))


def _kill_services(stack: Stack) -> None:
    for service in stack.services:
        service.kill()
