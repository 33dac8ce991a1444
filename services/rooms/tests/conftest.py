from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import Harness, embedded_log, running
from stack.servers import MariaDB
from tests.support.databases import MySqlPlace, place_on


@pytest.fixture(scope="session")
def on_mariadb(mariadb: MariaDB) -> Iterator[MySqlPlace]:
    with place_on(mariadb) as place:
        yield place


@pytest.fixture
async def flaky_log(tmp_path: Path) -> AsyncIterator[FlakyLog]:
    """Give the embedded log, with failures that a test switches on."""
    async with embedded_log(tmp_path) as log:
        yield FlakyLog(log)


@pytest.fixture
async def embedded_harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as started:
        yield started


@pytest.fixture
async def mariadb_harness(tmp_path: Path, on_mariadb: MySqlPlace) -> AsyncIterator[Harness]:
    await on_mariadb.empty()
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, database_url=on_mariadb.url) as started,
    ):
        yield started


@pytest.fixture(params=["embedded", "mariadb"])
def harness(request: pytest.FixtureRequest) -> Harness:
    """Give the running service, on each kind of database."""
    started: Harness = request.getfixturevalue(f"{request.param}_harness")
    return started
