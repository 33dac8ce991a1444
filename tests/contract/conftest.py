from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from madang_common.redis.endpoint import RedisEndpoint
from madang_gateway.presence.inprocess import InProcessPresence
from madang_gateway.presence.port import PresenceStore
from madang_gateway.presence.redis import RedisPresence
from madang_rooms.storage.database import Database
from stack.servers.sql import SqlServer
from tests.support.databases import MySqlPlace, place_on
from tests.support.logs import AmqpLogs, Logs, SqliteLogs
from tests.support.message_stores import MongoStores, SqliteStores, Stores

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


@pytest.fixture(params=["sqlite", "amqp"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Logs:
    """Give the place of a log, which has none yet."""
    if request.param == "sqlite":
        return SqliteLogs(tmp_path)
    return AmqpLogs(request.getfixturevalue("rabbitmq_vhost_url"))


@pytest.fixture(params=["inprocess", "redis"])
def make_store(request: pytest.FixtureRequest) -> Iterator[Callable[[], PresenceStore]]:
    """Give a function that opens the one store of the test, for another gateway each time."""
    if request.param == "inprocess":
        store = InProcessPresence()
        yield lambda: store
    else:
        url: str = request.getfixturevalue("redis_database_url")
        yield lambda: RedisPresence.at(
            RedisEndpoint.at(url), connections=4, timeout_seconds=_BOARD_SECONDS
        )


@pytest.fixture(params=["sqlite", "mongo"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """Give one place of each kind where a message store keeps its data."""
    if request.param == "sqlite":
        yield SqliteStores(tmp_path / "new" / "messages.db")
        return
    url = request.getfixturevalue("mongo_url")
    database = request.getfixturevalue("mongo_database")
    async with AsyncExitStack() as clients:
        yield MongoStores(url, database, clients)
