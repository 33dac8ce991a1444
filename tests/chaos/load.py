"""The load under which things fail: a few hundred messages a second, checked to the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stack.stack import Stack
from tests.support.load_clients import LoadClients, load_clients
from tests.support.trust import trusting

PEOPLE = 8
ROOMS = 2
PER_SECOND = 300


@asynccontextmanager
async def under_load(stack: Stack) -> AsyncIterator[LoadClients]:
    """Yield clients that send at a rate; at the end check that none lost a message."""
    with trusting(stack.ca):
        async with load_clients(stack.url, people=PEOPLE, rooms=ROOMS) as clients:
            clients.send_at_rate(PER_SECOND)
            await clients.acknowledge(PER_SECOND)
            yield clients
            await clients.acknowledge(PER_SECOND)
            await clients.stop_sending()
            await clients.settle()
            await clients.check()
