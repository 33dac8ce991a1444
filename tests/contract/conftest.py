from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from madang_gateway.presence.inprocess import InProcessPresence
from madang_gateway.presence.port import PresenceStore
from madang_gateway.presence.redis import RedisPresence
from madang_rooms.storage.database import Database
from stack.servers.sql import SqlServer
from tests.support.databases import MySqlPlace, place_on

_BOARD_SECONDS = 20


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> SqlServer:
    """Give the server of each kind on which rooms may keep its database."""
    found: SqlServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def place_of_module(server: SqlServer) -> Iterator[MySqlPlace]:
    with place_on(server) as made:
        yield made


@pytest.fixture
async def place(place_of_module: MySqlPlace) -> MySqlPlace:
    """Give a migrated database without a row."""
    await place_of_module.empty()
    return place_of_module


@pytest.fixture
async def databases(place: MySqlPlace) -> AsyncIterator[tuple[Database, Database]]:
    """Give that database as two replicas of rooms have it."""
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(place.replica()) for _ in range(2)]
        yield one, other


@pytest.fixture(params=["inprocess", "redis"])
def make_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], PresenceStore]]:
    """Give a function that opens the one store of the test, for another gateway each time."""
    if request.param == "inprocess":
        store = InProcessPresence()
        yield lambda: store
    else:
        url: str = request.getfixturevalue("redis_database_url")
        yield lambda: RedisPresence.at(url, connections=4, timeout_seconds=_BOARD_SECONDS)
