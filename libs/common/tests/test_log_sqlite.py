import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from madang_common.log.port import Batch, LogMismatch, LogUnavailable, Retention, Start
from madang_common.log.sqlite import SqliteLog

PATIENCE_SECONDS = 20
SHARD = 0


class HeldClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def at(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(1_000_000.0 + seconds, UTC)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path, clock: HeldClock) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(path, 2, clock=clock)
    yield log
    await log.close()


async def read(log: SqliteLog, start: Start, count: int) -> list[Batch]:
    found: list[Batch] = []
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(log.follow(SHARD, start)) as batches:
        async for batch in batches:
            found.append(batch)
            if len(found) == count:
                break
    return found


def kept(path: Path, shard: int = SHARD) -> list[int]:
    """Return the offsets in the file."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT offset FROM batches WHERE shard = ? ORDER BY offset", (shard,))
    offsets = [offset for (offset,) in rows]
    db.close()
    return offsets


async def append(log: SqliteLog, count: int, size: int = 10) -> None:
    for _ in range(count):
        await log.append(SHARD, (b"x" * size,))


async def test_expired_batches_are_deleted(path: Path, clock: HeldClock) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(seconds=60), clock=clock)
    for _ in range(6):
        await append(log, 1)
        clock.now += 20

    await append(log, 1)

    assert kept(path) == [3, 4, 5, 6]
    await log.close()


async def test_the_oldest_batches_are_deleted_over_the_size_limit(
    path: Path, clock: HeldClock
) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(bytes=100), clock=clock)
    for _ in range(20):
        await append(log, 1)
        clock.now += 1

    # The last one came after the limit was applied.
    assert kept(path) == list(range(9, 20))
    await log.close()


async def test_retention_keeps_pace_with_any_number_of_batches(
    path: Path, clock: HeldClock
) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(bytes=100), clock=clock)
    await append(log, 1000)
    clock.now += 1

    # Without another second going by.
    await append(log, 4)

    assert len(kept(path)) <= 11
    await log.close()


async def test_a_shard_keeps_its_newest_batch_at_any_age(path: Path, clock: HeldClock) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(seconds=1), clock=clock)
    await append(log, 3)
    clock.now += 1000

    await log.append(1, (b"another shard",))
    await log.close()

    assert kept(path) == [2]
    log = await SqliteLog.open(path, 2, clock=clock)
    assert await log.end(SHARD) == 3
    await log.close()


async def test_a_reader_from_before_retention_starts_at_the_oldest_batch(
    path: Path, clock: HeldClock
) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(bytes=50), clock=clock)
    await append(log, 10)
    clock.now += 1
    await append(log, 1)
    await log.close()

    log = await SqliteLog.open(path, 2, clock=clock)

    assert [batch.offset for batch in await read(log, 0, 6)] == [5, 6, 7, 8, 9, 10]
    assert (await read(log, "first", 1))[0].offset == 5
    await log.close()


async def test_a_reader_overtaken_by_retention_continues_with_the_oldest_batch(
    path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang_common.log.sqlite._RECENT_BYTES", 1)
    monkeypatch.setattr("madang_common.log.sqlite_file._READ_BATCHES", 2)
    log = await SqliteLog.open(path, 2, retention=Retention(bytes=50), clock=clock)
    await append(log, 10)
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(log.follow(SHARD, 0)) as batches:
        seen = [(await anext(batches)).offset]

        clock.now += 1
        await append(log, 1)
        while seen[-1] < 10:
            seen.append((await anext(batches)).offset)

    assert seen == [0, 1, 5, 6, 7, 8, 9, 10]
    await log.close()


async def test_a_clock_set_back_does_not_stop_retention(path: Path, clock: HeldClock) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(bytes=50), clock=clock)
    await append(log, 20)
    clock.now -= 1_000

    await append(log, 1)

    assert len(kept(path)) == 6
    await log.close()


async def test_a_reader_from_a_time_starts_at_the_first_batch_since(
    log: SqliteLog, clock: HeldClock
) -> None:
    for _ in range(5):
        await append(log, 1)
        clock.now += 10

    assert [batch.offset for batch in await read(log, clock.at(20), 3)] == [2, 3, 4]
    assert (await read(log, clock.at(15), 1))[0].offset == 2
    assert (await read(log, clock.at(-100), 1))[0].offset == 0


async def test_a_reader_from_a_later_time_starts_at_the_newest_batch(
    log: SqliteLog, clock: HeldClock
) -> None:
    await append(log, 2)

    assert [batch.offset for batch in await read(log, clock.at(1), 1)] == [1]


async def test_a_reader_from_a_time_of_an_empty_log_gets_new_batches(
    log: SqliteLog, clock: HeldClock
) -> None:
    reading = asyncio.create_task(read(log, clock.at(1), 2))

    await append(log, 2)

    assert [batch.offset for batch in await reading] == [0, 1]


async def test_a_long_log_is_read_in_several_queries(
    log: SqliteLog, path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang_common.log.sqlite_file._READ_BYTES", 1_000)
    await append(log, 100, size=300)
    await log.close()

    log = await SqliteLog.open(path, 2, clock=clock)

    assert [batch.offset for batch in log._file.read(SHARD, 10)] == [10, 11, 12, 13]
    assert [batch.offset for batch in await read(log, 0, 100)] == list(range(100))
    await log.close()


async def test_a_full_disk_fails_appends_until_there_is_space(
    log: SqliteLog, clock: HeldClock
) -> None:
    await append(log, 1)
    (pages,) = log._file._writer.execute("PRAGMA page_count").fetchone()
    log._file._writer.execute(f"PRAGMA max_page_count = {pages + 1}")

    with pytest.raises(LogUnavailable, match="full"):
        await append(log, 1, size=100_000)
    assert await log.end(SHARD) == 1
    await append(log, 1)
    log._file._writer.execute("PRAGMA max_page_count = 100000")
    await append(log, 1, size=100_000)

    found = await read(log, 0, 3)
    assert [(b.offset, len(b.lines[0])) for b in found] == [(0, 10), (1, 10), (2, 100_000)]


async def test_retention_frees_space_on_a_full_disk(path: Path, clock: HeldClock) -> None:
    log = await SqliteLog.open(path, 2, retention=Retention(seconds=60), clock=clock)
    await append(log, 20, size=10_000)
    (pages,) = log._file._writer.execute("PRAGMA page_count").fetchone()
    log._file._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LogUnavailable, match="full"):
        await append(log, 5, size=10_000)
    clock.now += 61

    await append(log, 5, size=10_000)

    assert kept(path)[-1] == await log.end(SHARD) - 1
    await log.close()


async def test_the_writer_reports_any_error_and_continues(path: Path, clock: HeldClock) -> None:
    def broken() -> float:
        raise OSError("no time")

    log = await SqliteLog.open(path, 2, clock=clock)
    log._clock = broken
    with pytest.raises(LogUnavailable, match="no time"):
        await append(log, 1)

    log._clock = clock
    await append(log, 1)

    assert await log.end(SHARD) == 1
    await log.close()


async def test_an_unreadable_file_ends_reading_with_an_error(log: SqliteLog) -> None:
    await append(log, 1)
    log._shards[SHARD].recent.clear()
    log._file._reader.close()

    with pytest.raises(LogUnavailable):
        await read(log, 0, 1)


async def test_queued_appends_of_several_shards_share_a_transaction(
    log: SqliteLog, path: Path
) -> None:
    transactions: list[str] = []
    log._file._writer.set_trace_callback(transactions.append)

    await asyncio.gather(*(log.append(n % 2, (b"%d" % n,)) for n in range(50)))

    begun = sum(statement.startswith("BEGIN") for statement in transactions)
    assert begun < 50
    assert kept(path, 0) == kept(path, 1) == list(range(25))


def test_a_file_with_other_contents_is_not_opened(path: Path) -> None:
    letter = b"this is no database, it is a letter to a friend" * 100
    path.write_bytes(letter)

    with pytest.raises(LogUnavailable, match=f"{path}: file is not a database"):
        asyncio.run(SqliteLog.open(path, 2))

    assert path.read_bytes() == letter


async def test_a_file_whose_process_was_killed_at_its_start_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.execute("CREATE TABLE log (one INTEGER PRIMARY KEY, shards INTEGER NOT NULL)")

    with pytest.raises(LogMismatch, match="no number of shards"):
        await SqliteLog.open_existing(tmp_path / "log.db", None, epoch=0)
