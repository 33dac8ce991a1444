import asyncio
import stat
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from madang_auth.storage.sqlite import SqliteFile
from madang_common.problems import Unavailable

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY);"


@pytest.fixture
async def file(tmp_path: Path) -> AsyncGenerator[SqliteFile]:
    made = await SqliteFile.open(tmp_path / "auth" / "numbers.db", SCHEMA, synchronous="FULL")
    yield made
    await made.close()


async def numbers(file: SqliteFile) -> list[int]:
    async with file.transaction() as db:
        return [row["n"] for row in await db.execute_fetchall("SELECT n FROM numbers ORDER BY n")]


async def add(file: SqliteFile, n: int) -> None:
    async with file.transaction() as db:
        await db.execute("INSERT INTO numbers VALUES (?)", (n,))


async def test_the_file_is_private_to_its_owner(file: SqliteFile, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "auth" / "numbers.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "auth").stat().st_mode) == 0o700


async def test_a_failed_transaction_is_rolled_back(file: SqliteFile) -> None:
    async def add_and_fail() -> None:
        async with file.transaction() as db:
            await db.execute("INSERT INTO numbers VALUES (1)")
            raise KeyError

    with pytest.raises(KeyError):
        await add_and_fail()

    assert await numbers(file) == []


async def test_an_error_of_sqlite_is_unavailable_and_the_next_one_works(file: SqliteFile) -> None:
    await add(file, 1)

    with pytest.raises(Unavailable):
        await add(file, 1)

    await add(file, 2)
    assert await numbers(file) == [1, 2]


async def test_concurrent_transactions_are_isolated(file: SqliteFile) -> None:
    await asyncio.gather(*(add(file, n) for n in range(50)))

    assert await numbers(file) == list(range(50))


@pytest.mark.parametrize("turns", range(8))
async def test_a_cancelled_transaction_is_atomic(file: SqliteFile, turns: int) -> None:
    async def add_two() -> None:
        async with file.transaction() as db:
            await db.execute("INSERT INTO numbers VALUES (1)")
            await db.execute("INSERT INTO numbers VALUES (2)")

    task = asyncio.create_task(add_two())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    await add(file, 3)
    assert await numbers(file) in ([3], [1, 2, 3])


async def test_a_closed_file_is_unavailable(file: SqliteFile) -> None:
    await file.ping()
    await file.close()

    with pytest.raises(Unavailable):
        await file.ping()
    await file.close()


async def test_a_file_of_another_format_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "numbers.db"
    path.write_bytes(b"this is no database, and it is long enough to be seen as none" * 100)

    with pytest.raises(Exception, match="file is not a database"):
        await SqliteFile.open(path, SCHEMA, synchronous="FULL")
