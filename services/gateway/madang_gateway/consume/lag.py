"""Measures how far this gateway is behind the end of the log."""

import asyncio
import math

from prometheus_client import Gauge

from madang_common.log.port import Log, LogError
from madang_common.log.position import offset_of
from madang_gateway.state.recent_events import RecentEvents


class Lag:
    """Compares the end of each shard with the position up to which it was read.

    A shard without new batches is not behind, and neither is a busy one that is read as fast as it
    grows.
    """

    def __init__(self, chat_log: Log, recent_events: RecentEvents, gauge: Gauge) -> None:
        """Set `gauge`, labelled with the shard, to a number of batches, NaN if it is not known."""
        self._log = chat_log
        self._recent_events = recent_events
        self._gauge = gauge

    async def watch(self, seconds: float) -> None:
        """Measure every `seconds`, without end."""
        while True:
            await self._measure()
            await asyncio.sleep(seconds)

    async def _measure(self) -> None:
        for shard in range(self._log.shards):
            self._gauge.labels(shard).set(await self._batches(shard))

    async def _batches(self, shard: int) -> float:
        try:
            end = await self._log.end(shard)
        except LogError:
            # The consumer of the shard logs the error.
            return math.nan
        return max(0, end - offset_of(self._recent_events.end[shard]))
