"""The contract of the log port across epochs, for every adapter."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta

import pytest

from madang_common.log import ending
from madang_common.log.port import Batch, Log, LogEnded, LogMismatch, LogUnavailable, Start
from madang_common.log.position import MAX_EPOCH, first_offset, position, to_id
from tests.support.logs import PATIENCE_SECONDS, SHARDS, Logs, read


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """End epochs without the pause for a cluster."""
    monkeypatch.setattr(ending, "_SETTLE_SECONDS", 0.0)


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    """Give a stack that closes what the test opened."""
    async with AsyncExitStack() as stack:
        yield stack


async def opened(
    logs: Logs, closing: AsyncExitStack, epoch: int, *lines: bytes, shards: int = SHARDS
) -> Log:
    """Open `epoch`, with a batch of each line in each shard."""
    log = await logs.open(shards, epoch)
    closing.push_async_callback(log.close)
    for line in lines:
        for shard in range(shards):
            await log.append(shard, (line,))
    return log


async def read_to_end(log: Log, shard: int, start: Start) -> tuple[list[Batch], int | None]:
    """Return all batches from `start` on, and the end that the log tells then."""
    found: list[Batch] = []
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(log.follow(shard, start)) as batches:
            async for batch in batches:
                found.append(batch)  # noqa: PERF401 - kept when the log raises
    except LogEnded as ended:
        return found, ended.end
    raise AssertionError("the log was closed")


async def test_offsets_of_an_epoch_begin_at_its_first_offset(
    logs: Logs, closing: AsyncExitStack
) -> None:
    log = await opened(logs, closing, 3)
    assert (log.epoch, log.shards) == (3, SHARDS)
    assert [await log.end(shard) for shard in range(SHARDS)] == [first_offset(3)] * SHARDS

    await log.append(1, (b"a",))
    await log.append(1, (b"b",))

    first = first_offset(3)
    assert await read(log, 1, "first", 2) == [Batch(first, (b"a",)), Batch(first + 1, (b"b",))]
    assert await read(log, 1, first + 1, 1) == [Batch(first + 1, (b"b",))]
    assert await log.end(1) == first + 2
    assert await log.end(0) == first


async def test_ids_ascend_across_epochs(logs: Logs, closing: AsyncExitStack) -> None:
    ids: list[str] = []
    for epoch in (0, 1, 2, 9, MAX_EPOCH):
        log = await opened(logs, closing, epoch, b"a", b"b")
        ids += [to_id(position(batch.offset, 0)) for batch in await read(log, 0, "first", 2)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 10
    assert ids[0] == "000000000000"


@pytest.mark.parametrize("start", [0, 5, first_offset(1), first_offset(2) - 1])
async def test_a_follower_from_an_earlier_epoch_begins_with_the_oldest_batch(
    logs: Logs, closing: AsyncExitStack, start: int
) -> None:
    log = await opened(logs, closing, 2, b"a", b"b")

    assert await read(log, 0, start, 2) == await read(log, 0, "first", 2)


async def test_a_follower_by_time_stays_in_its_epoch(logs: Logs, closing: AsyncExitStack) -> None:
    log = await opened(logs, closing, 2, b"a", b"b")
    now = datetime.now(UTC)

    offsets = [(await read(log, 0, now + timedelta(days=days), 1))[0].offset for days in (-1, 1)]

    assert offsets == [first_offset(2), first_offset(2) + 1]


async def test_an_ended_epoch_can_be_read_to_its_end(logs: Logs, closing: AsyncExitStack) -> None:
    await (await opened(logs, closing, 1, b"a", b"b", b"c")).close()
    await opened(logs, closing, 2, b"d")

    old = await logs.open_existing(1)
    assert old is not None
    closing.push_async_callback(old.close)
    first = first_offset(1)
    written = [Batch(first + n, (line,)) for n, line in enumerate((b"a", b"b", b"c"))]

    assert (old.epoch, old.shards) == (1, SHARDS)
    for shard in range(SHARDS):
        assert await old.end(shard) == first + 3
        assert await read_to_end(old, shard, "first") == (written, first + 3)
        assert await read_to_end(old, shard, 0) == (written, first + 3)
        for n in range(5):
            assert await read_to_end(old, shard, first + n) == (written[n:], first + 3)
    assert await read_to_end(old, 0, datetime.now(UTC) - timedelta(days=1)) == (written, first + 3)


async def test_an_empty_epoch_has_an_end_too(logs: Logs, closing: AsyncExitStack) -> None:
    await (await opened(logs, closing, 0)).close()
    await opened(logs, closing, 1)

    old = await logs.open_existing(0)
    assert old is not None
    closing.push_async_callback(old.close)

    assert await old.end(0) == 0
    assert await read_to_end(old, 0, "first") == ([], 0)
    assert await read_to_end(old, 1, 0) == ([], 0)


async def test_a_reader_that_is_live_sees_the_end(logs: Logs, closing: AsyncExitStack) -> None:
    log = await opened(logs, closing, 0, b"a")
    readers = [
        asyncio.create_task(read_to_end(log, shard, start))
        for shard in range(SHARDS)
        for start in (0, 1, 7)
    ]
    await read(log, 0, 0, 1)

    await opened(logs, closing, 1, b"b")
    with pytest.raises(LogEnded):
        await log.append(0, (b"late",))

    batch = Batch(0, (b"a",))
    assert await asyncio.gather(*readers) == [([batch], 1), ([], 1), ([], 1)] * SHARDS


async def test_what_is_appended_to_an_ended_epoch_is_refused_and_never_read(
    logs: Logs, closing: AsyncExitStack
) -> None:
    log = await opened(logs, closing, 0, b"a")
    await opened(logs, closing, 1)

    for shard in range(SHARDS):
        for _ in range(2):
            with pytest.raises(LogEnded):
                await log.append(shard, (b"late",))

    assert [await log.end(shard) for shard in range(SHARDS)] == [1, 1]
    old = await logs.open_existing(0)
    assert old is not None
    closing.push_async_callback(old.close)
    with pytest.raises(LogEnded):
        await old.append(0, (b"late",))
    for reader in (log, old):
        assert await read_to_end(reader, 1, 0) == ([Batch(0, (b"a",))], 1)


async def test_appends_under_way_at_the_end_are_before_it_or_refused(
    logs: Logs, closing: AsyncExitStack
) -> None:
    log = await opened(logs, closing, 0)
    confirmed: list[bytes] = []

    async def append_until_refused() -> None:
        with contextlib.suppress(LogEnded):
            for number in itertools.count():
                line = b"%d" % number
                # Between the end of this epoch and the beginning of the next.
                with contextlib.suppress(LogUnavailable):
                    await log.append(0, (line,))
                    confirmed.append(line)

    appending = asyncio.create_task(append_until_refused())
    reading = asyncio.create_task(read_to_end(log, 0, 0))
    await read(log, 0, 3, 1)

    await opened(logs, closing, 1)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await appending
    batches, end = await reading
    assert [batch.lines for batch in batches] == [(line,) for line in confirmed]
    assert end == len(batches) == await log.end(0)


async def test_each_epoch_may_have_another_number_of_shards(
    logs: Logs, closing: AsyncExitStack
) -> None:
    for epoch, shards in ((0, 3), (1, 2), (2, 6)):
        log = await opened(logs, closing, epoch, b"%d" % epoch, shards=shards)
        assert log.shards == shards
        await log.close()

    for epoch, shards in ((0, 3), (1, 2)):
        old = await logs.open_existing(epoch, shards)
        assert old is not None
        for shard in range(shards):
            first = first_offset(epoch)
            written = [Batch(first, (b"%d" % epoch,))]
            assert await read_to_end(old, shard, "first") == (written, first + 1)
        await old.close()
    with pytest.raises(LogMismatch):
        await logs.open(2, 2)


async def test_an_epoch_that_does_not_exist_is_not_made_to_be_read(
    logs: Logs, closing: AsyncExitStack
) -> None:
    assert await logs.open_existing(0) is None
    await opened(logs, closing, 2)

    for _ in range(2):
        assert await logs.open_existing(0) is None
        assert await logs.open_existing(1) is None


async def test_an_epoch_before_the_current_one_does_not_start(
    logs: Logs, closing: AsyncExitStack
) -> None:
    await (await opened(logs, closing, 0, b"a")).close()
    await (await opened(logs, closing, 1, b"b")).close()

    for _ in range(2):
        with pytest.raises(LogMismatch, match="MADANG_LOG_EPOCH=1"):
            await logs.open(SHARDS, 0)

    log = await opened(logs, closing, 1)
    assert await read(log, 0, "first", 1) == [Batch(first_offset(1), (b"b",))]
    await log.append(0, (b"c",))


async def test_an_epoch_is_not_begun_to_be_read(logs: Logs, closing: AsyncExitStack) -> None:
    assert await logs.open_current() is None
    log = await opened(logs, closing, 0, b"a")

    assert await logs.open_current(epoch=1) is None
    for shards in (SHARDS - 1, SHARDS + 1):
        with pytest.raises(LogMismatch, match="shards"):
            await logs.open_current(shards)
    current = await logs.open_current()

    assert current is not None
    closing.push_async_callback(current.close)
    assert await read(current, 0, "first", 1) == [Batch(0, (b"a",))]
    await log.append(0, (b"b",))
    assert await log.end(0) == 2


async def test_the_last_of_several_later_epochs_is_named(
    logs: Logs, closing: AsyncExitStack
) -> None:
    for epoch in range(3):
        await (await opened(logs, closing, epoch)).close()

    for opening in (logs.open, logs.open_current):
        with pytest.raises(LogMismatch, match="MADANG_LOG_EPOCH=2"):
            await opening(SHARDS, 0)


async def test_a_restart_in_the_same_epoch_changes_nothing(
    logs: Logs, closing: AsyncExitStack
) -> None:
    await (await opened(logs, closing, 0, b"a")).close()
    for n in range(3):
        log = await logs.open(SHARDS, 1)
        assert await log.end(0) == first_offset(1) + n
        await log.append(0, (b"%d" % n,))
        await log.close()

    old = await logs.open_existing(0)
    assert old is not None
    assert await read_to_end(old, 0, "first") == ([Batch(0, (b"a",))], 1)
    await old.close()


async def test_closing_ends_the_followers_of_an_ended_epoch(
    logs: Logs, closing: AsyncExitStack
) -> None:
    await (await opened(logs, closing, 0, b"a")).close()
    await opened(logs, closing, 1)
    old = await logs.open_existing(0)
    assert old is not None
    following = old.follow(0, 0)
    await anext(following)

    await old.close()

    assert await anext(following, None) is None


async def test_an_epoch_before_one_that_skipped_it_does_not_start(
    logs: Logs, closing: AsyncExitStack
) -> None:
    # As after a loss of everything: no earlier epoch was begun here.
    await opened(logs, closing, 3)

    for epoch in range(3):
        for opening in (logs.open, logs.open_current):
            with pytest.raises(LogMismatch, match="MADANG_LOG_EPOCH=3"):
                await opening(SHARDS, epoch)

    await opened(logs, closing, 3, b"a")
