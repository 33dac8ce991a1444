"""Stream behaviour below the log's port: segments, retention, chunks, prefetch."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.stream import newest_message
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Batch, LogUnavailable, Retention, Start
from madang_common.log.topology import stream_name

PATIENCE_SECONDS = 60
SMALL_SEGMENT_BYTES = 40_000
LARGE = b"x" * 10_000
"""A few of these fill a segment."""


@pytest.fixture
async def log(rabbitmq_vhost_url: str) -> AsyncIterator[AmqpLog]:
    """Give a log that keeps so much that nothing is dropped, in small segments."""
    async for log in _opened(rabbitmq_vhost_url, segments=16):
        yield log


@pytest.fixture
async def short_log(
    rabbitmq_vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AmqpLog]:
    """Give a log that keeps a few small segments."""
    monkeypatch.setattr("madang_common.log.topology._SEGMENTS", 3)
    async for log in _opened(rabbitmq_vhost_url, segments=3):
        yield log


@pytest.fixture
async def large_log(rabbitmq_vhost_url: str) -> AsyncIterator[AmqpLog]:
    """Give a log as products have it: its first segment is never full here."""
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 1)
    yield log
    await log.close()


async def _opened(url: str, *, segments: int) -> AsyncIterator[AmqpLog]:
    kept = Retention(seconds=3600, bytes=SMALL_SEGMENT_BYTES * segments)
    log = await AmqpLog.open(AmqpEndpoint.at(url), 1, retention=kept)
    yield log
    await log.close()


async def read(log: AmqpLog, start: Start, until: bytes) -> list[Batch]:
    """Return the batches from `start` on, up to the one of the line `until`."""
    found: list[Batch] = []
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(log.follow(0, start)) as batches:
        async for batch in batches:
            found.append(batch)
            if batch.lines == (until,):
                break
    return found


async def fill(log: AmqpLog, count: int) -> None:
    for _ in range(count):
        await log.append(0, (LARGE,))
    await log.append(0, (b"last",))


async def take_offsets(batches: AsyncIterator[Batch], offsets: list[int]) -> None:
    """Add the offset of each batch up to the last one."""
    async for batch in batches:
        offsets.append(batch.offset)
        if batch.lines == (b"last",):
            break


async def test_no_number_is_missing_where_a_segment_begins(log: AmqpLog) -> None:
    await fill(log, 30)

    batches = await read(log, 0, b"last")

    assert [batch.offset for batch in batches] == list(range(len(batches)))
    assert [batch.lines for batch in batches if batch.lines] == [(LARGE,)] * 30 + [(b"last",)]
    taken = [batch.offset for batch in batches if not batch.lines]
    assert len(taken) >= 3
    assert await log.end(0) == len(batches)
    for offset in range(len(batches)):
        again = await read(log, offset, b"last")
        assert again == batches[offset:]


async def test_the_end_is_exact_while_segments_come_and_go(short_log: AmqpLog) -> None:
    stream = stream_name(0)
    following = short_log.follow(0, 0)
    async with aclosing(following), asyncio.timeout(PATIENCE_SECONDS):
        for n in range(100):
            line = b"%d" % n + LARGE
            await short_log.append(0, (line,))
            newest = await newest_message(short_log._reading, stream)
            while (batch := await anext(following)).lines != (line,):
                assert not batch.lines
            assert newest is not None
            assert newest.offset == batch.offset
            assert await short_log.end(0) == batch.offset + 1


async def test_what_retention_dropped_shows_in_the_offsets(short_log: AmqpLog) -> None:
    await fill(short_log, 100)

    batches = await read(short_log, 0, b"last")

    first = batches[0].offset
    assert first > 50
    assert [batch.offset for batch in batches] == list(range(first, first + len(batches)))
    assert await read(short_log, "first", b"last") == batches
    assert await read(short_log, first - 10, b"last") == batches
    assert await read(short_log, datetime.now(UTC) - timedelta(hours=1), b"last") == batches
    assert await short_log.end(0) == batches[-1].offset + 1


async def test_a_slow_reader_that_retention_overtakes_goes_on_with_what_is_kept(
    short_log: AmqpLog,
) -> None:
    await short_log.append(0, (b"first",))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with aclosing(short_log.follow(0, 0)) as batches:
            offsets = [(await anext(batches)).offset]
            await fill(short_log, 300)
            with contextlib.suppress(LogUnavailable):  # The broker forgets it, at times.
                await take_offsets(batches, offsets)
        if offsets[-1] + 1 < await short_log.end(0):
            async with aclosing(short_log.follow(0, offsets[-1] + 1)) as batches:
                await take_offsets(batches, offsets)

    assert offsets == sorted(set(offsets))
    assert await short_log.end(0) == offsets[-1] + 1
    # What was sent ahead came; what was dropped meanwhile did not, and no number hides that.
    jumps = [after - before for before, after in itertools.pairwise(offsets)]
    assert max(jumps) > 2


async def test_a_reader_that_the_broker_forgot_ends(
    log: AmqpLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang_common.log.amqp._STUCK_SECONDS", 0.2)
    monkeypatch.setattr("madang_common.log.amqp._ANSWER_SECONDS", 0.5)
    await log.append(0, (b"first",))
    await log.append(0, (b"second",))
    async with aclosing(log.follow(0, 1)) as batches, asyncio.timeout(PATIENCE_SECONDS):
        assert (await anext(batches)).lines == (b"second",)
        await asyncio.sleep(2)
        (reader,) = log._readers
        (tag,) = reader._channel.consumers  # type: ignore[attr-defined]
        await reader._channel.basic_cancel(tag)

        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(2)
        assert not waiting.done()  # There is nothing to come, which is not the broker's fault.
        await log.append(0, (b"third",))
        with pytest.raises(LogUnavailable, match="stopped sending"):
            await waiting


async def test_a_slow_reader_is_sent_little_ahead(large_log: AmqpLog) -> None:
    async with aclosing(large_log.follow(0, 0)) as batches:
        await large_log.append(0, (b"first",))
        await anext(batches)
        await asyncio.gather(*(large_log.append(0, (b"%d" % n,)) for n in range(2000)))
        (reader,) = large_log._readers
        await large_log.ping()

        # About 64, and the rest of the chunk that the 64th stands in.
        assert 0 < len(reader._queue) < 1000
        seen = [(await anext(batches)).lines[0] for _ in range(2000)]

    assert seen == [b"%d" % n for n in range(2000)]


async def test_the_end_of_a_large_chunk_is_found(
    large_log: AmqpLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fewer than a chunk holds, so that one look is not enough.
    monkeypatch.setattr("madang_common.amqp.stream._PEEK_PREFETCH", 3)

    for n in range(1, 20):
        await asyncio.gather(*(large_log.append(0, (b"%d" % i,)) for i in range(100)))
        assert await large_log.end(0) == n * 100


async def test_a_follower_by_time_gets_all_that_came_since(log: AmqpLog) -> None:
    await fill(log, 20)
    # RabbitMQ looks for whole seconds.
    await asyncio.sleep(2)
    between = datetime.now(UTC)
    await log.append(0, (b"since",))
    await log.append(0, (b"last of all",))

    batches = await read(log, between - timedelta(seconds=1), b"last of all")

    assert [batch.lines for batch in batches if batch.lines] == [(b"since",), (b"last of all",)]


async def test_asking_for_the_end_leaves_nothing_behind(log: AmqpLog) -> None:
    await log.append(0, (b"a",))
    connection = await log._reading.connection()

    for _ in range(300):
        await log.end(0)
        await log.ping()

    assert len(connection.channels) < 10
