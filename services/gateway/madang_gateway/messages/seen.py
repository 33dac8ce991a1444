"""Waiting for a position that another gateway has read from the log already."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from madang_common.clock import MonotonicClock
from madang_common.coalescing import Coalescer
from madang_common.log.port import LogError, LogUnusable
from madang_common.log.position import position
from madang_common.problems import Unavailable
from madang_gateway.state.recent_events import RecentEvents

LogEnd = Callable[[int], Awaitable[int]]
"""Returns the offset after the last batch of a shard, as `Log.end` does."""

_POLL_SECONDS = 0.1
_LAG_SECONDS = 3.0
"""Lag of this gateway behind another after which it asks the log whether it has an id at all."""
_LOG_PAUSE_SECONDS = 1.0
"""Pause between two such questions."""


class SeenPositions:
    """Tells whether this gateway has read a position of the log, and waits until it has."""

    def __init__(
        self, recent: RecentEvents, log_end: LogEnd, *, seconds: float, clock: MonotonicClock
    ) -> None:
        """Give up after `seconds` in which the log does not tell where it ends."""
        self._recent = recent
        self._log_end = log_end
        # Anybody may name any id: questions that meet are one.
        self._ends: Coalescer[int, int] = Coalescer(self._fetch_ends, most=1)
        self._seconds = seconds
        self._clock = clock

    async def wait_for(self, shard: int, at: int) -> bool:
        """Wait until this gateway has seen the position `at` of `shard`.

        Return False if the log has no event there; raise Unavailable if it does not tell.
        """
        began = self._clock()
        pause = _POLL_SECONDS
        while at >= self._recent.end[shard]:
            waited = self._clock() - began
            if waited > _LAG_SECONDS:
                if await self._is_beyond_log(shard, at):
                    return False
                pause = _LOG_PAUSE_SECONDS
            if waited > self._seconds:
                raise Unavailable("The log does not answer now; try again.", retry_after_seconds=5)
            await asyncio.sleep(pause)
        return True

    async def _is_beyond_log(self, shard: int, at: int) -> bool:
        """Return whether the log ends before `at`; False if it does not tell now."""
        try:
            return at >= position(await self._ends.get(shard), 0)
        except LogUnusable:
            return True
        except LogError:
            return False

    async def _fetch_ends(self, shards: Sequence[int]) -> list[int]:
        return [await self._log_end(shard) for shard in shards]
