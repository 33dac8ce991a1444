"""The contract of the log port, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from madang_common.log.port import Batch, Log, LogMismatch, LogUnavailable
from madang_common.log.position import MAX_LINES
from tests.support.logs import PATIENCE_SECONDS, SHARDS, Logs, read


@pytest.fixture
async def log(logs: Logs) -> AsyncIterator[Log]:
    log = await logs.open()
    yield log
    await log.close()


async def numbered(log: Log, shard: int, first: int, count: int) -> list[Batch]:
    """Append `count` batches of one line each, and return the expected content of the log."""
    batches = [Batch(n, (b'{"n":%d}' % n,)) for n in range(first, first + count)]
    for batch in batches:
        await log.append(shard, batch.lines)
    return batches


async def test_a_new_log_is_empty(log: Log) -> None:
    assert log.shards == SHARDS
    assert [await log.end(shard) for shard in range(SHARDS)] == [0, 0]
    await log.ping()
    assert log.connected


async def test_batches_get_the_next_offset_of_their_shard(log: Log) -> None:
    await log.append(0, (b"a", b"b"))
    await log.append(1, (b"c",))
    await log.append(0, (b"d",))

    assert await read(log, 0, "first", 2) == [Batch(0, (b"a", b"b")), Batch(1, (b"d",))]
    assert await read(log, 1, "first", 1) == [Batch(0, (b"c",))]
    assert [await log.end(shard) for shard in range(SHARDS)] == [2, 1]


async def test_a_follower_begins_exactly_at_its_offset(log: Log) -> None:
    written = await numbered(log, 0, 0, 5)

    assert await read(log, 0, 3, 2) == written[3:]


async def test_a_follower_at_the_end_gets_what_comes_then(log: Log) -> None:
    await numbered(log, 0, 0, 2)
    reading = asyncio.create_task(read(log, 0, await log.end(0), 2))

    written = await numbered(log, 0, 2, 2)

    assert await reading == written


async def test_a_follower_beyond_the_end_waits_for_its_offset(log: Log) -> None:
    reading = asyncio.create_task(read(log, 0, 3, 1))

    written = await numbered(log, 0, 0, 5)

    assert await reading == written[3:4]


async def test_followers_that_begin_while_the_log_reaches_their_offset_miss_nothing(
    logs: Logs,
) -> None:
    log = await logs.open(20)

    for shard in range(log.shards):
        readings = [asyncio.create_task(read(log, shard, 10, 1)) for _ in range(6)]
        written = await numbered(log, shard, 0, 30)
        assert await asyncio.gather(*readings) == [written[10:11]] * 6
    await log.close()


async def test_a_follower_goes_from_old_to_new_without_a_seam(log: Log) -> None:
    old = await numbered(log, 0, 0, 20)
    reading = asyncio.create_task(read(log, 0, "first", 40))

    new = await numbered(log, 0, 20, 20)

    assert await reading == old + new


async def test_all_followers_see_the_same(log: Log) -> None:
    readings = [asyncio.create_task(read(log, 0, 0, 100)) for _ in range(5)]

    await asyncio.gather(*(log.append(0, (b"%d" % n,)) for n in range(100)))

    first, *others = await asyncio.gather(*readings)
    assert [batch.offset for batch in first] == list(range(100))
    assert sorted(int(batch.lines[0]) for batch in first) == list(range(100))
    assert all(other == first for other in others)


async def test_a_slow_follower_loses_nothing(log: Log) -> None:
    line = b"x" * 65_536
    async with aclosing(log.follow(0, 0)) as batches:
        await log.append(0, (b"first",))
        found = [await anext(batches)]
        for _ in range(200):
            await log.append(0, (line,))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < 201:
                found.append(await anext(batches))

    assert [batch.offset for batch in found] == list(range(201))
    assert all(batch.lines == (line,) for batch in found[1:])


async def test_a_durable_batch_is_seen_by_who_asks_afterwards(log: Log) -> None:
    for n in range(20):
        await log.append(0, (b"%d" % n,))
        assert await log.end(0) == n + 1
        assert await read(log, 0, n, 1) == [Batch(n, (b"%d" % n,))]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((b"",), id="one empty line"),
        pytest.param((b"", b"", b""), id="empty lines"),
        pytest.param(('{"text":"안녕 👋\\r"}'.encode(), b"\r", b"\x00\xff"), id="any bytes"),
        pytest.param(tuple(b"%d" % n for n in range(MAX_LINES)), id="as many as fit"),
        pytest.param((b"x" * 1_048_576,), id="a long line"),
    ],
)
async def test_lines_come_back_as_they_were(logs: Logs, log: Log, lines: tuple[bytes, ...]) -> None:
    await log.append(0, lines)

    from_memory = await read(log, 0, 0, 1)
    await log.close()
    reopened = await logs.open()
    from_disk = await read(reopened, 0, 0, 1)
    await reopened.close()

    assert from_memory == from_disk == [Batch(0, lines)]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="none"),
        pytest.param((b"x",) * (MAX_LINES + 1), id="too many"),
        pytest.param((b"a\nb",), id="a line break"),
    ],
)
async def test_what_is_no_batch_is_refused(log: Log, lines: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="line"):
        await log.append(0, lines)

    assert await log.end(0) == 0


async def test_a_cancelled_append_costs_the_others_nothing(log: Log) -> None:
    appends = [asyncio.create_task(log.append(0, (b"%d" % n,))) for n in range(10)]
    await asyncio.sleep(0)
    appends[4].cancel()

    results = await asyncio.gather(*appends, return_exceptions=True)

    assert [n for n, result in enumerate(results) if result is not None] == [4]
    await log.append(0, (b"last",))
    found = await read(log, 0, 0, await log.end(0))
    confirmed = [b"%d" % n for n in range(10) if n != 4] + [b"last"]
    assert [batch.lines[0] for batch in found if batch.lines != (b"4",)] == confirmed


async def test_a_log_survives_a_restart(logs: Logs) -> None:
    log = await logs.open()
    old = await numbered(log, 0, 0, 3)
    await log.close()

    log = await logs.open()
    new = await numbered(log, 0, 3, 2)

    assert await log.end(0) == 5
    assert await read(log, 0, "first", 5) == old + new
    assert await read(log, 0, 2, 3) == (old + new)[2:]
    await log.close()


async def test_a_restart_may_find_the_log_as_it_was_at_any_time(logs: Logs) -> None:
    written: list[Batch] = []
    for start in range(0, 30, 10):
        log = await logs.open()
        assert await log.end(0) == start
        written += await numbered(log, 0, start, 10)
        assert await read(log, 0, 0, len(written)) == written
        await log.close()


async def test_another_number_of_shards_is_refused(logs: Logs) -> None:
    await (await logs.open(2)).close()

    with pytest.raises(LogMismatch):
        await logs.open(3)

    await (await logs.open(2)).close()


async def test_a_follower_by_time_misses_nothing_since(log: Log) -> None:
    await log.append(0, (b"old",))
    between = datetime.now(UTC)
    await log.append(0, (b"new",))

    assert (await read(log, 0, between - timedelta(days=1), 1))[0].offset == 0
    found = await read(log, 0, between, 1)
    assert found[0].offset <= 1


async def test_a_follower_by_a_time_to_come_begins_with_the_newest_batch(log: Log) -> None:
    await numbered(log, 0, 0, 3)

    assert [b.offset for b in await read(log, 0, datetime.now(UTC) + timedelta(days=1), 1)] == [2]


async def test_closing_ends_the_followers(log: Log) -> None:
    await numbered(log, 0, 0, 1)
    async with aclosing(log.follow(0, 0)) as batches, asyncio.timeout(PATIENCE_SECONDS):
        await anext(batches)
        waiting = asyncio.create_task(anext(batches, None))
        beyond = asyncio.create_task(read(log, 1, 7, 1))
        await asyncio.sleep(0)

        await log.close()
        await log.close()

        assert await waiting is None
        assert await beyond == []


async def test_a_closed_log_says_so(log: Log) -> None:
    await log.close()

    with pytest.raises(LogUnavailable):
        await log.append(0, (b"late",))
    with pytest.raises(LogUnavailable):
        await log.ping()
    assert not log.connected
    assert await read(log, 0, "first", 1) == []
    assert await read(log, 0, datetime.now(UTC), 1) == []


async def test_what_is_under_way_when_the_log_closes_is_answered(logs: Logs) -> None:
    log = await logs.open()
    appends = [asyncio.create_task(log.append(0, (b"%d" % n,))) for n in range(50)]
    await asyncio.sleep(0)

    await log.close()

    async with asyncio.timeout(PATIENCE_SECONDS):
        results = await asyncio.gather(*appends, return_exceptions=True)
    confirmed = sum(result is None for result in results)
    assert all(result is None or isinstance(result, LogUnavailable) for result in results)
    reopened = await logs.open()
    assert await reopened.end(0) >= confirmed
    await reopened.close()
