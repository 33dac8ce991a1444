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
async def under_load(
    stack: Stack, *, people: int = PEOPLE, per_second: int = PER_SECOND
) -> AsyncIterator[LoadClients]:
    """Yield clients that send at a rate; at the end check that none lost a message."""
    with trusting(stack.ca):
        async with load_clients(stack.url, people=people, rooms=ROOMS) as clients:
            clients.send_at_rate(per_second)
            await clients.acknowledge(per_second)
            yield clients
            await clients.acknowledge(per_second)
            await clients.stop_sending()
            await clients.settle()
            await clients.check()
