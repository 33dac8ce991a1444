"""Reading a shard to an end that is known before, on every adapter of the log."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from madang_common.log import ending
from madang_common.log.port import Log, Start
from madang_common.log.position import first_offset
from madang_common.log.reading import read_to_end
from tests.support.logs import PATIENCE_SECONDS, Logs

FIRST = first_offset(1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """End epochs without the pause for a cluster."""
    monkeypatch.setattr(ending, "_SETTLE_SECONDS", 0.0)


@pytest.fixture
async def log(logs: Logs) -> AsyncIterator[Log]:
    log = await logs.open(epoch=1)
    for number in range(4):
        await log.append(0, (b"%d" % number,))
    yield log
    await log.close()


async def offsets(log: Log, shard: int, start: Start, end: int | None = None) -> list[int]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [batch.offset - FIRST async for batch in read_to_end(log, shard, start, end=end)]


async def test_a_shard_is_read_to_the_end_that_it_has(log: Log) -> None:
    assert await offsets(log, 0, "first") == [0, 1, 2, 3]
    assert await offsets(log, 0, FIRST + 2) == [2, 3]
    assert await offsets(log, 0, FIRST + 4) == []
    assert await offsets(log, 1, "first") == []


async def test_a_shard_is_read_up_to_an_offset(log: Log) -> None:
    assert await offsets(log, 0, "first", FIRST + 2) == [0, 1]
    assert await offsets(log, 0, FIRST + 2, FIRST + 2) == []


async def test_a_shard_without_its_last_batches_is_read_to_the_marker(log: Log, logs: Logs) -> None:
    await log.close()
    await (await logs.open(epoch=2)).close()
    ended = await logs.open_existing(1)
    assert ended is not None

    # Beyond the last batch, as if retention had dropped those up to there.
    assert await offsets(ended, 0, "first", FIRST + 6) == [0, 1, 2, 3]
    assert await offsets(ended, 1, "first", FIRST + 6) == []
    await ended.close()
