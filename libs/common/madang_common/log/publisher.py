"""Group commit: many senders, at most one unconfirmed batch per shard."""

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from madang_common.clock import Clock
from madang_common.jitter import jitter
from madang_common.log.batching import BatchLimits, Waiting
from madang_common.log.port import Log, LogBusy, LogError, LogTooLarge, LogUnavailable
from madang_common.log.position import shard_of

log = structlog.get_logger()

Done = Callable[[LogError | None], None]
"""Called once per event: with None when it is durable, else with why that is not known."""
_BUSY_EVENTS = 4
"""A batch of so many shows that there is more to come."""
_LONGEST_REST_SECONDS = 0.01
_SPREAD = 0.1
"""Part of the time to wait by which events of one batch may differ in age: they end together."""


def _ignore(_: float) -> None:
    """Observe nothing."""


class Publisher:
    """Appends events to the log, those that wait together in one batch.

    An idle shard sends at once; a busy one lets events wait for the batch under way, and as long
    again, since a batch costs as much as many events do. A batch whose confirm was lost is appended
    again, so an event may stand in the log twice: its key tells.
    """

    def __init__(
        self,
        chat_log: Log,
        *,
        limits: BatchLimits | None = None,
        waiting_bytes: int = 16_777_216,
        timeout_seconds: float = 10.0,
        observe: Callable[[float], object] = _ignore,
        clock: Clock = time.monotonic,
    ) -> None:
        """Write to `chat_log`, keeping at most `waiting_bytes` per shard.

        An event is given up when it is not confirmed within `timeout_seconds` of `append`, or up to
        a tenth of that sooner, with an older one of its batch. `observe` is told once per batch how
        many seconds its oldest event took.
        """
        self._log = chat_log
        self._limits = limits or BatchLimits()
        self._waiting_bytes = waiting_bytes
        self._timeout = timeout_seconds
        self._observe = observe
        self._clock = clock
        self._waiting: list[Waiting[Done]] = [Waiting(self._limits) for _ in range(chat_log.shards)]
        self._flushes: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the log, over all shards."""
        return sum(waiting.bytes for waiting in self._waiting)

    def append(self, audience: str, line: bytes, done: Done) -> None:
        """Let `line` go out with the next batch; `done` tells how that went.

        Raise LogBusy or LogTooLarge if it cannot wait, LogUnavailable after `close`.
        """
        if len(line) >= self._limits.bytes:
            raise LogTooLarge(f"{len(line)} bytes do not fit into a batch")
        if self._closed:
            raise LogUnavailable("the publisher is closed")
        shard = shard_of(audience, len(self._waiting))
        waiting = self._waiting[shard]
        if waiting.bytes + len(line) > self._waiting_bytes:
            raise LogBusy(f"{waiting.bytes} bytes wait for shard {shard}")
        waiting.add(line, done, self._clock())
        if shard not in self._flushes:
            self._begin(shard)

    def append_together(self, audience: str, lines: tuple[bytes, ...], done: Done) -> None:
        """Let `lines` go out next to each other in one batch: all are stored, or none is.

        `done` is told once for all. Raise as `append` does.
        """
        size = sum(map(len, lines)) + len(lines)
        if size > self._limits.bytes or len(lines) > self._limits.lines:
            raise LogTooLarge(f"{len(lines)} lines of {size} bytes do not fit into a batch")
        if self._closed:
            raise LogUnavailable("the publisher is closed")
        shard = shard_of(audience, len(self._waiting))
        waiting = self._waiting[shard]
        if waiting.bytes + size > self._waiting_bytes:
            raise LogBusy(f"{waiting.bytes} bytes wait for shard {shard}")
        waiting.add_together(lines, done, self._clock())
        if shard not in self._flushes:
            self._begin(shard)

    async def publish(self, audience: str, line: bytes) -> None:
        """Append `line` and return when it is durable; raise LogError if that is not known."""
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: LogError | None) -> None:
            if confirmed.done():
                return
            if error is None:
                confirmed.set_result(None)
            else:
                confirmed.set_exception(error)

        self.append(audience, line, done)
        await confirmed

    async def close(self) -> None:
        """Take nothing new, and return when all that waits is confirmed or given up."""
        self._closed = True
        await asyncio.gather(*self._flushes.values())

    def _begin(self, shard: int) -> None:
        flush = asyncio.create_task(self._flush(shard), name=f"log-publisher-{shard}")
        self._flushes[shard] = flush

    async def _flush(self, shard: int) -> None:
        waiting, loop = self._waiting[shard], asyncio.get_running_loop()
        # What found the shard idle came in one turn of the event loop and is never parted by age.
        within_seconds = math.inf
        try:
            while waiting:
                handed_over_at = waiting.oldest_at
                lines, callbacks = waiting.take(within_seconds)
                within_seconds = self._timeout * _SPREAD
                began_at = loop.time()
                error = await self._store(shard, lines, handed_over_at)
                took = loop.time() - began_at
                for done in callbacks:
                    self._tell(done, error)
                if len(callbacks) >= _BUSY_EVENTS:
                    # A batch costs as much as a dozen events: let the next one gather some more.
                    await asyncio.sleep(min(took, _LONGEST_REST_SECONDS))
        finally:
            del self._flushes[shard]

    @staticmethod
    def _tell(done: Done, error: LogError | None) -> None:
        try:
            done(error)
        except Exception:  # one sender's mistake must not cost the others their answer
            log.exception("log_done_failed")

    async def _store(
        self, shard: int, lines: tuple[bytes, ...], handed_over_at: float
    ) -> LogError | None:
        """Append the batch until it is confirmed or the time of its oldest event is over."""
        loop = asyncio.get_running_loop()
        left = self._timeout - (self._clock() - handed_over_at)
        late = LogUnavailable(f"not confirmed within {self._timeout} s")
        if left <= 0:
            return late
        deadline = loop.time() + left
        pause = 0.05
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._log.append(shard, lines)
            except TimeoutError:
                return late
            except LogUnavailable as error:
                log.warning("log_append_failed", shard=shard, lines=len(lines), error=str(error))
                if loop.time() + pause >= deadline:
                    return error
                await asyncio.sleep(jitter(pause, least=0.5))
                pause = min(pause * 2, 1.0)
            except LogError as error:
                return error
            except Exception as error:  # the shard goes on with the next batch
                log.exception("log_append_broken", shard=shard, lines=len(lines))
                return LogUnavailable(repr(error))
            else:
                self._observe(self._clock() - handed_over_at)
                return None
