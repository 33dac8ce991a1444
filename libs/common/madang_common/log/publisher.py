"""Group commit: appends of many senders share batches, one unconfirmed batch per shard."""

import asyncio
import math
import time
from collections.abc import Callable

import structlog

from madang_common.clock import MonotonicClock
from madang_common.jitter import jitter
from madang_common.log.batching import BatchLimits, BatchQueue
from madang_common.log.port import Log, LogBusy, LogError, LogTooLarge, LogUnavailable
from madang_common.log.position import shard_of

log = structlog.get_logger()

Done = Callable[[LogError | None], None]
"""Called once per append: with None when it is durable, else with the error."""
_BUSY_ENTRIES = 4
"""A batch of this many entries indicates that more are coming."""
_MAX_LINGER_SECONDS = 0.01
_AGE_SPREAD = 0.1
"""Part of the timeout by which entries of one batch may differ in age: they time out together."""


def _ignore(_: float) -> None:
    """Ignore the seconds of a batch."""


class Publisher:
    """Appends events to the log in batches.

    An idle shard sends at once. On a busy one, events wait for the batch in flight, and then for
    as long as that took, because a batch costs as much as a dozen events. A batch whose confirm was
    lost is appended again, so an event may be in the log twice, with the same idempotency key.
    """

    def __init__(
        self,
        chat_log: Log,
        *,
        limits: BatchLimits | None = None,
        waiting_bytes: int = 16_777_216,
        timeout_seconds: float = 10.0,
        observe: Callable[[float], object] = _ignore,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        """Write to `chat_log`, queueing at most `waiting_bytes` per shard.

        An event fails when it is not confirmed within `timeout_seconds` of `append`, or up to a
        tenth of that earlier, together with an older one of its batch. `observe` is called once per
        batch with the seconds that its oldest event took.
        """
        self._log = chat_log
        self._limits = limits or BatchLimits()
        self._waiting_bytes = waiting_bytes
        self._timeout = timeout_seconds
        self._observe = observe
        self._clock = clock
        self._queues: list[BatchQueue[Done]] = [
            BatchQueue(self._limits) for _ in range(chat_log.shards)
        ]
        self._flushes: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the log, over all shards."""
        return sum(queue.bytes for queue in self._queues)

    def append(self, audience: str, line: bytes, done: Done) -> None:
        """Queue `line` for the next batch; `done` is called with the result.

        Raise LogBusy or LogTooLarge if it cannot be queued, LogUnavailable after `close`.
        """
        if len(line) >= self._limits.bytes:
            raise LogTooLarge(f"{len(line)} bytes do not fit into a batch")
        self._enqueue(audience, (line,), len(line), done)

    def append_together(self, audience: str, lines: tuple[bytes, ...], done: Done) -> None:
        """Queue `lines` for the same batch, next to each other: all are stored, or none is.

        `done` is called once for all. Raises as `append` does.
        """
        size = sum(map(len, lines))
        if size + len(lines) > self._limits.bytes or len(lines) > self._limits.lines:
            raise LogTooLarge(f"{len(lines)} lines of {size} bytes do not fit into a batch")
        self._enqueue(audience, lines, size, done)

    async def close(self) -> None:
        """Refuse new events, and return when all queued ones are confirmed or have failed."""
        self._closed = True
        await asyncio.gather(*self._flushes.values())

    def _enqueue(self, audience: str, lines: tuple[bytes, ...], size: int, done: Done) -> None:
        if self._closed:
            raise LogUnavailable("the publisher is closed")
        shard = shard_of(audience, len(self._queues))
        queue = self._queues[shard]
        if queue.bytes + size > self._waiting_bytes:
            raise LogBusy(f"{queue.bytes} bytes wait for shard {shard}")
        queue.add(lines, size, done, self._clock())
        if shard not in self._flushes:
            self._start_flush(shard)

    def _start_flush(self, shard: int) -> None:
        flush = asyncio.create_task(self._flush(shard), name=f"log-publisher-{shard}")
        self._flushes[shard] = flush

    async def _flush(self, shard: int) -> None:
        queue, loop = self._queues[shard], asyncio.get_running_loop()
        # Entries that found the shard idle came in one turn of the event loop: all are new.
        within_seconds = math.inf
        try:
            while queue:
                oldest_at = queue.oldest_at
                lines, callbacks = queue.take(within_seconds)
                within_seconds = self._timeout * _AGE_SPREAD
                started_at = loop.time()
                error = await self._store(shard, lines, oldest_at)
                elapsed = loop.time() - started_at
                for done in callbacks:
                    self._call(done, error)
                if len(callbacks) >= _BUSY_ENTRIES:
                    # A batch costs as much as a dozen events: let the next one grow.
                    await asyncio.sleep(min(elapsed, _MAX_LINGER_SECONDS))
        finally:
            del self._flushes[shard]

    @staticmethod
    def _call(done: Done, error: LogError | None) -> None:
        try:
            done(error)
        except Exception:  # an error of one callback must not keep the others from being called
            log.exception("log_done_failed")

    async def _store(
        self, shard: int, lines: tuple[bytes, ...], oldest_at: float
    ) -> LogError | None:
        """Retry the append until it is confirmed or its oldest event times out."""
        loop = asyncio.get_running_loop()
        remaining = self._timeout - (self._clock() - oldest_at)
        late = LogUnavailable(f"not confirmed within {self._timeout} s")
        if remaining <= 0:
            return late
        deadline = loop.time() + remaining
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
                self._observe(self._clock() - oldest_at)
                return None
