"""The lag metric."""

import asyncio
import math
from collections.abc import AsyncGenerator
from pathlib import Path

from typing_extensions import override

from madang_common.events.envelope import room_audience
from madang_common.log.port import Batch, LogUnavailable, Start
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog
from services.gateway.tests.harness import ROOM, Harness, message, running, until

_SHARD = shard_of(room_audience(ROOM), 2)


class Stuck(SqliteLog):
    """A log that can stop yielding batches, and stop answering."""

    held: asyncio.Event | None = None
    away = False

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        async for batch in super().follow(shard, start):
            if self.held is not None:
                await self.held.wait()
            yield batch

    @override
    async def end(self, shard: int) -> int:
        if self.away:
            raise LogUnavailable("away")
        return await super().end(shard)


def behind(harness: Harness, shard: int = _SHARD) -> float:
    return harness.metric("log_behind_batches", shard=str(shard))


async def test_unread_batches_are_the_lag_and_an_idle_shard_has_none(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, log_class=Stuck, lag_poll_seconds=0.01) as harness:
        assert isinstance(harness.log, Stuck)
        await harness.append(message("seen"))
        await until(lambda: harness.metric("events_total") == 1)
        await until(lambda: behind(harness) == 0)

        harness.log.held = asyncio.Event()
        for _ in range(3):
            await harness.append(message("a"), message("b"))
        await until(lambda: behind(harness) == 3)
        assert behind(harness, 1 - _SHARD) == 0

        harness.log.held.set()
        await until(lambda: behind(harness) == 0)


async def test_the_lag_is_nan_while_the_log_is_unavailable(tmp_path: Path) -> None:
    async with running(tmp_path, log_class=Stuck, lag_poll_seconds=0.01) as harness:
        assert isinstance(harness.log, Stuck)
        harness.log.away = True
        await until(lambda: math.isnan(behind(harness)))

        harness.log.away = False
        await until(lambda: behind(harness) == 0)
