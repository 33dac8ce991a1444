"""Servers go away for ten seconds while people talk, and come back."""

import asyncio

import pytest

from tests.chaos.load import PER_SECOND, talking
from tests.stack.stack import Stack

_AWAY_SECONDS = 10


@pytest.mark.parametrize("server", ["mongodb", "mariadb", "redis"])
async def test_people_talk_on_without(mortal_stack: Stack, server: str) -> None:
    victim = getattr(mortal_stack, server)
    async with talking(mortal_stack) as crowd:
        await asyncio.to_thread(victim.kill)
        async with asyncio.timeout(_AWAY_SECONDS):
            await crowd.acknowledge(2 * PER_SECOND)
        await asyncio.sleep(_AWAY_SECONDS / 2)
        await asyncio.to_thread(victim.start)


async def test_what_waits_for_rabbitmq_is_sent_once_it_is_back(mortal_stack: Stack) -> None:
    async with talking(mortal_stack) as crowd:
        await asyncio.to_thread(mortal_stack.rabbitmq.kill)
        acknowledged = crowd.acknowledged
        await asyncio.sleep(_AWAY_SECONDS)
        # A RECEIPT may have been on its way already, but nothing is acknowledged without the log.
        assert crowd.acknowledged - acknowledged < PER_SECOND
        await asyncio.to_thread(mortal_stack.rabbitmq.start)
