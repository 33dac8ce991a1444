import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.problems import Unavailable
from madang_rooms.storage.database import Database
from madang_rooms.storage.sqlite import open_sqlite
from madang_rooms.wiring import FILE
from services.rooms.tests.harness import Harness, embedded_log, read, running

INSERT = text(
    "INSERT INTO users (id, username, display_name, password_hash, disabled, created_at_ms)"
    " VALUES (:name, :name, 'x', 'x', 0, 0)"
)
COUNT = text("SELECT count(*) FROM users")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_sqlite(tmp_path / "rooms.db", wait_seconds=0.2)
    yield opened
    await opened.close()


async def pragma(session: AsyncSession, name: str) -> object:
    return await session.scalar(text(f"PRAGMA {name}"))


async def test_commits_are_durable_and_foreign_keys_enforced(database: Database) -> None:
    async with database.writing() as session:
        found = [await pragma(session, name) for name in ("journal_mode", "synchronous")]

        assert found == ["wal", 2]
        with pytest.raises(IntegrityError):
            await session.execute(
                text("INSERT INTO memberships VALUES ('a', 'b', 'owner', 0, NULL)")
            )


async def test_a_reader_sees_one_snapshot_and_cannot_write(database: Database) -> None:
    async with database.reading() as reader:
        before = await reader.scalar(COUNT)
        async with database.writing() as writer:
            await writer.execute(INSERT, {"name": "nari"})
            await writer.commit()
        after = await reader.scalar(COUNT)

    assert before == after == 0
    with pytest.raises(Unavailable):
        async with database.reading() as reader:
            await reader.execute(INSERT, {"name": "dae"})


async def test_an_uncommitted_change_is_rolled_back(database: Database) -> None:
    async with database.writing() as session:
        await session.execute(INSERT, {"name": "nari"})

    async with database.reading() as session:
        assert await session.scalar(COUNT) == 0


async def test_concurrent_writers_are_serialized(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "rooms.db", wait_seconds=10)

    async def read_then_write(number: int) -> None:
        async with database.writing() as session:
            await session.scalar(COUNT)
            await session.execute(INSERT, {"name": str(number)})
            await session.commit()

    await asyncio.gather(*(read_then_write(number) for number in range(40)))

    async with database.reading() as session:
        assert await session.scalar(COUNT) == 40
    await database.close()


async def test_cancelled_writers_release_the_connection(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "rooms.db", wait_seconds=10)
    chance = random.Random(7)

    async def write(name: str) -> None:
        async with database.writing() as session:
            await session.execute(INSERT, {"name": name})
            await session.commit()

    for round_ in range(10):
        tasks = [asyncio.create_task(write(f"{round_}-{number}")) for number in range(10)]
        await asyncio.sleep(chance.random() * 0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async with asyncio.timeout(5):
        await write("last")
    await database.close()


async def test_a_locked_database_is_unavailable_and_nothing_changes(tmp_path: Path) -> None:
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, database_wait_seconds=0.1) as harness,
    ):
        nari = await harness.person("nari")
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        problem = read(
            await nari.request("POST", "/rooms", {"name": "a", "visibility": "public"}), 503
        )
        read(await nari.request("GET", "/rooms"), 200)
        other.execute("ROLLBACK")
        other.close()

        assert problem["type"] == "urn:madang:problem:unavailable"
        assert (await nari.get("/rooms"))["items"] == []
        await nari.make_room()


async def test_committed_data_survives_a_restart(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            nari = await harness.person("nari", "나리")
            room = await nari.make_room(name="오래된 방")

        async with running(tmp_path, log) as harness:
            await _check_room(harness, nari.id, room)


async def _check_room(harness: Harness, owner: str, room: str) -> None:
    (access,) = await harness.access((owner, room))
    account = read(await harness.internal("GET", f"/users/{owner}"), 200)
    assert access["role"] == "owner"
    assert account["display_name"] == "나리"
