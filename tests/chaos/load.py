"""The load under which things fail: a few hundred messages a second, checked to the last one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stack.stack import Stack
from tests.support.load_clients import Crowd, gathered
from tests.support.trust import trusting

PEOPLE = 8
ROOMS = 2
PER_SECOND = 300


@asynccontextmanager
async def talking(stack: Stack) -> AsyncIterator[Crowd]:
    """Yield a crowd that talks; at the end everybody must have heard and history stored it all."""
    with trusting(stack.ca):
        async with gathered(stack.url, people=PEOPLE, rooms=ROOMS) as crowd:
            crowd.talk(PER_SECOND)
            await crowd.acknowledge(PER_SECOND)
            yield crowd
            await crowd.acknowledge(PER_SECOND)
            await crowd.hush()
            await crowd.settle()
            await crowd.compare()
