from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.rooms.tests.scene import Scene, embedded_log, running
from tests.stack.servers import MariaDB
from tests.support.databases import MySqlPlace, place_on


@pytest.fixture(scope="session")
def on_mariadb(mariadb: MariaDB) -> Iterator[MySqlPlace]:
    with place_on(mariadb) as place:
        yield place


@pytest.fixture
async def embedded_scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as started:
        yield started


@pytest.fixture
async def mariadb_scene(tmp_path: Path, on_mariadb: MySqlPlace) -> AsyncIterator[Scene]:
    await on_mariadb.empty()
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, database_url=on_mariadb.url) as started,
    ):
        yield started


@pytest.fixture(params=["embedded", "mariadb"])
def scene(request: pytest.FixtureRequest) -> Scene:
    """Give the running service, on each kind of database."""
    started: Scene = request.getfixturevalue(f"{request.param}_scene")
    return started
