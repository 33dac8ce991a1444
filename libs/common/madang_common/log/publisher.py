"""Group commit: many senders, at most one unconfirmed batch per shard."""

import asyncio
import random
from collections.abc import Callable

import structlog

from madang_common.log.batching import BatchLimits, Waiting
from madang_common.log.port import Log, LogBusy, LogError, LogTooLarge, LogUnavailable
from madang_common.log.position import shard_of

log = structlog.get_logger()

Done = Callable[[LogError | None], None]
"""Called once per event: with None when it is durable, else with why that is not known."""


class Publisher:
    """Appends events to the log, those that wait together in one batch.

    An idle shard sends at once; a busy one lets events wait for the batch under way. A batch whose
    confirm was lost is appended again, so an event may stand in the log twice: its key tells.
    """

    def __init__(
        self,
        chat_log: Log,
        *,
        limits: BatchLimits | None = None,
        waiting_bytes: int = 16_777_216,
        timeout_seconds: float = 10.0,
    ) -> None:
        """Write to `chat_log`, keeping at most `waiting_bytes` per shard.

        An event is given up when its batch is not confirmed within `timeout_seconds` of its start.
        """
        self._log = chat_log
        self._limits = limits or BatchLimits()
        self._waiting_bytes = waiting_bytes
        self._timeout = timeout_seconds
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
        waiting.add(line, done)
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
        waiting.add_together(lines, done)
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
        waiting = self._waiting[shard]
        try:
            while waiting:
                lines, callbacks = waiting.take()
                error = await self._store(shard, lines)
                for done in callbacks:
                    self._tell(done, error)
        finally:
            del self._flushes[shard]

    @staticmethod
    def _tell(done: Done, error: LogError | None) -> None:
        try:
            done(error)
        except Exception:  # one sender's mistake must not cost the others their answer
            log.exception("log_done_failed")

    async def _store(self, shard: int, lines: tuple[bytes, ...]) -> LogError | None:
        """Append the batch until it is confirmed or its time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        pause = 0.05
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._log.append(shard, lines)
            except TimeoutError:
                return LogUnavailable(f"not confirmed within {self._timeout} s")
            except LogUnavailable as error:
                log.warning("log_append_failed", shard=shard, lines=len(lines), error=str(error))
                if loop.time() + pause >= deadline:
                    return error
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, 1.0)
            except LogError as error:
                return error
            except Exception as error:  # the shard goes on with the next batch
                log.exception("log_append_broken", shard=shard, lines=len(lines))
                return LogUnavailable(repr(error))
            else:
                return None
