"""Consumes every shard of the log for as long as the gateway runs."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from madang_common.log.port import Log, LogEnded, LogError, LogLost, Start
from madang_common.log.position import first_offset
from madang_gateway.consume.dispatcher import Dispatcher
from madang_gateway.state.recent_events import RecentEvents

log = structlog.get_logger()

_RETRY_SECONDS = 0.5
_LOST_SECONDS = 10.0
"""Pause between two attempts while the log is lost."""
_TURN_BYTES = 65_536
"""Bytes of lines applied in one turn of the event loop; then other tasks run."""


class LogConsumer:
    """Passes the recent batches of each shard, then every new one, to the dispatcher.

    After an error of the log it starts again at the next offset, so no batch is skipped or
    repeated. At the end of the epoch it stops; the process must start again in a later one.
    """

    def __init__(
        self,
        chat_log: Log,
        dispatcher: Dispatcher,
        recent_events: RecentEvents,
        *,
        seconds: float,
        on_gap: Callable[[], None],
    ) -> None:
        """Start `seconds` in the past; call `on_gap` if the log dropped batches before the read."""
        self._log = chat_log
        self._dispatcher = dispatcher
        self._recent_events = recent_events
        self._on_gap = on_gap
        self.tasks: list[asyncio.Task[None]] = []
        """One background task per shard, none of which returns."""
        self._caught_up = [asyncio.Event() for _ in range(chat_log.shards)]
        self._next_offsets: list[int | None] = [None] * chat_log.shards
        self._since = datetime.fromtimestamp(time.time() - seconds, UTC)
        self._started = False
        self._ended = False

    async def start(self) -> None:
        """Start consuming; return when the batches that the log has now were applied.

        Raises the exception of a task that failed meanwhile, LogEnded if the epoch has ended.
        """
        self.tasks = [
            asyncio.create_task(self._consume(shard), name=f"follow-{shard}")
            for shard in range(self._log.shards)
        ]
        for task, caught_up in zip(self.tasks, self._caught_up, strict=True):
            waiting = asyncio.ensure_future(caught_up.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if task.done():
                await task
        self._started = True

    async def stop(self) -> None:
        """Stop consuming."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def ping(self) -> None:
        """Raise ConnectionError unless every shard is consumed and has caught up once.

        Raise LogEnded once the epoch has ended.
        """
        if self._ended:
            raise LogEnded("the epoch of the log has ended")
        if any(task.done() for task in self.tasks) or not all(
            event.is_set() for event in self._caught_up
        ):
            raise ConnectionError("not every shard is consumed")

    async def _consume(self, shard: int) -> None:
        while True:
            pause = _RETRY_SECONDS
            try:
                await self._apply_new(shard)
            except LogEnded:
                await self._end()
            except LogLost:
                # GuardedLog has logged it.
                pause = _LOST_SECONDS
            except LogError as error:
                log.warning("log_follow_failed", shard=shard, error=str(error))
            except Exception:
                # The end of this task ends the process.
                log.exception("log_follow_broken", shard=shard)
                raise
            await asyncio.sleep(pause)

    async def _apply_new(self, shard: int) -> None:
        """Apply every batch from the next offset on."""
        first = first_offset(self._log.epoch)
        next_offset = self._next_offsets[shard]
        end = await self._log.end(shard)
        if end == first:
            self._recent_events.begin(shard, first)
            next_offset = self._next_offsets[shard] = first
            self._caught_up[shard].set()
        start: Start = self._since if next_offset is None else next_offset
        turn_bytes = 0
        async for batch in self._log.follow(shard, start):
            if batch.offset != next_offset:
                self._skip_to(shard, batch.offset, lost=next_offset is not None)
            self._dispatcher.apply(shard, batch)
            next_offset = self._next_offsets[shard] = batch.offset + 1
            if next_offset >= end:
                self._caught_up[shard].set()
            turn_bytes += sum(map(len, batch.lines))
            if turn_bytes >= _TURN_BYTES:
                turn_bytes = 0
                await asyncio.sleep(0)

    async def _end(self) -> None:
        """Wait for ever, because nothing follows; raise LogEnded if the process is starting."""
        if not self._started:
            raise LogEnded(
                f"epoch {self._log.epoch} of the log has ended: "
                f"set MADANG_LOG_EPOCH={self._log.epoch + 1}"
            )
        self._ended = True
        await asyncio.Event().wait()

    def _skip_to(self, shard: int, offset: int, *, lost: bool) -> None:
        """Continue at `offset`; call `on_gap` if batches before it were lost."""
        self._recent_events.begin(shard, offset)
        if lost:
            log.error("log_gap", shard=shard, offset=offset)
            self._on_gap()
