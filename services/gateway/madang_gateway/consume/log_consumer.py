"""Follows every shard of the log for as long as the gateway runs."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from madang_common.log.port import Log, LogError, Start
from madang_gateway.consume.dispatcher import Dispatcher
from madang_gateway.state.recent_events import RecentEvents

log = structlog.get_logger()

_PAUSE_SECONDS = 0.5
_TURN_BYTES = 65_536
"""About so much is applied before everything else has its turn, above all what connections take."""


class LogConsumer:
    """Fills the tail from the recent past, then goes on with whatever comes.

    When the log goes away it begins again at the next offset, so nothing is skipped or repeated.
    """

    def __init__(
        self,
        chat_log: Log,
        dispatcher: Dispatcher,
        tail: RecentEvents,
        *,
        seconds: float,
        on_gap: Callable[[], None],
    ) -> None:
        """Begin with what is `seconds` old; tell `on_gap` if the log dropped unseen events."""
        self._log = chat_log
        self._dispatcher = dispatcher
        self._tail = tail
        self._seconds = seconds
        self._on_gap = on_gap
        self.tasks: list[asyncio.Task[None]] = []
        """One for each shard, from the start on; none ends by itself."""
        self._caught_up = [asyncio.Event() for _ in range(chat_log.shards)]

    async def start(self) -> None:
        """Begin to follow, and return when what was in the log at that moment has been seen.

        Raise what a follower broke on, if one does.
        """
        self.tasks = [
            asyncio.create_task(self._follow(shard), name=f"follow-{shard}")
            for shard in range(self._log.shards)
        ]
        for task, caught_up in zip(self.tasks, self._caught_up, strict=True):
            waiting = asyncio.ensure_future(caught_up.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if task.done():
                await task

    async def stop(self) -> None:
        """End the followers."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def ping(self) -> None:
        """Return if every shard is followed and was caught up with once."""
        if any(task.done() for task in self.tasks) or not all(
            event.is_set() for event in self._caught_up
        ):
            raise ConnectionError("not all of the log is followed")

    async def _follow(self, shard: int) -> None:
        since = datetime.fromtimestamp(time.time() - self._seconds, UTC)
        next_offset: int | None = None
        while True:
            try:
                goal = await self._log.end(shard)
                if goal == 0:
                    self._tail.begin(shard, 0)
                    next_offset = 0
                    self._caught_up[shard].set()
                start: Start = since if next_offset is None else next_offset
                applied = 0
                async for batch in self._log.follow(shard, start):
                    if batch.offset != next_offset:
                        self._jump(shard, batch.offset, lost=next_offset is not None)
                    self._dispatcher.apply(shard, batch)
                    next_offset = batch.offset + 1
                    if next_offset >= goal:
                        self._caught_up[shard].set()
                    applied += sum(map(len, batch.lines))
                    if applied >= _TURN_BYTES:
                        applied = 0
                        await asyncio.sleep(0)
            except LogError as error:
                log.warning("log_follow_failed", shard=shard, error=str(error))
            except Exception:
                # What cannot be followed is not to be served: the process ends with this.
                log.exception("log_follow_broken", shard=shard)
                raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _jump(self, shard: int, offset: int, *, lost: bool) -> None:
        """Go on at `offset`; if events were lost before it, everyone here must resume."""
        self._tail.begin(shard, offset)
        if lost:
            log.error("log_gap", shard=shard, offset=offset)
            self._on_gap()
