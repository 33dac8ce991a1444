"""How far this gateway is behind the end of the log."""

import asyncio
import math

from prometheus_client import Gauge

from madang_common.log.port import Log, LogError
from madang_common.log.position import offset_of
from madang_gateway.state.recent_events import RecentEvents


class Lag:
    """Asks the log where each shard ends and what of that has not been seen here.

    What comes meanwhile does not count: an idle shard is not behind, and neither is a busy one
    that is kept up with.
    """

    def __init__(self, chat_log: Log, tail: RecentEvents, behind: Gauge) -> None:
        """Set `behind`, labelled with the shard, to a number of batches, NaN if it is not known."""
        self._log = chat_log
        self._tail = tail
        self._behind = behind

    async def watch(self, seconds: float) -> None:
        """Measure again and again, with pauses of `seconds`."""
        while True:
            await self.measure()
            await asyncio.sleep(seconds)

    async def measure(self) -> None:
        """Measure once, one shard after the other."""
        for shard in range(self._log.shards):
            self._behind.labels(shard).set(await self._batches(shard))

    async def _batches(self, shard: int) -> float:
        try:
            end = await self._log.end(shard)
        except LogError:
            # Whoever follows the shard logs why.
            return math.nan
        return max(0, end - offset_of(self._tail.end[shard]))
