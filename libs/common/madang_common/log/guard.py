"""A log that reports once, loudly, when it must not be used any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from typing_extensions import override

from madang_common.log.port import (
    Batch,
    Log,
    LogEnded,
    LogError,
    LogLost,
    LogUnusable,
    LogUnverified,
    Start,
)
from madang_common.log.runbooks import BROKER_DATA_LOST
from madang_common.metrics import LogMetrics

log = structlog.get_logger()

_CHECK_SECONDS = 10.0


def _ignore() -> None:
    """Do nothing when the epoch ends."""


class GuardedLog(Log):
    """Passes everything on to a log while it may be used.

    | state | appends | reads | ends when |
    | --- | --- | --- | --- |
    | unverified | LogUnverified | yes | history confirms the log (`verify`) |
    | lost | LogLost | LogLost | a periodic check finds the same log; then unverified again |
    | ended | LogEnded | up to the end | never: start the process in a later epoch |

    Refused calls send no request to the broker.
    """

    def __init__(
        self, chat_log: Log, metrics: LogMetrics, *, verified: bool = True, reads: bool = True
    ) -> None:
        """Guard `chat_log`; with `verified=False` nothing is appended until `verify` is called.

        `reads` is whether this process may read the log, so that the periodic check can compare its
        ends with what was read.
        """
        self._log = chat_log
        self._metrics = metrics
        self._reads = reads
        self._lost: LogLost | None = None
        self._ended: LogEnded | None = None
        self._refusal: LogUnusable | None = None
        """Why nothing is appended now; the only check of an append."""
        self._needs_history = not verified
        """Whether history has to confirm the log, at the start and when it was lost."""
        self._unverified = asyncio.Event()
        self.on_ended: Callable[[], None] = _ignore
        """Called once, when the epoch has ended."""
        self._set_verified(verified=verified)

    @property
    @override
    def epoch(self) -> int:
        return self._log.epoch

    @property
    @override
    def shards(self) -> int:
        return self._log.shards

    @property
    @override
    def connected(self) -> bool:
        return self._log.connected

    @property
    def lost(self) -> bool:
        """Whether the log is lost now."""
        return self._lost is not None

    def verify(self) -> None:
        """Permit appends: history has confirmed that this is the current log."""
        self._set_verified(verified=True)

    async def until_unverified(self) -> None:
        """Return when history has to confirm that this is the current log."""
        await self._unverified.wait()

    async def watch(self) -> None:
        """Check every 10 s whether a lost log is back, without end."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if self._lost is not None:
                await self._check_if_back()

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        if self._refusal is not None:
            raise _fresh_copy(self._refusal)
        try:
            await self._log.append(shard, lines)
        except LogUnusable as error:
            self._note(error)
            raise

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        self._raise_if_lost()
        try:
            async with aclosing(self._log.follow(shard, start)) as batches:
                async for batch in batches:
                    yield batch
        except LogUnusable as error:
            self._note(error)
            raise

    @override
    async def end(self, shard: int) -> int:
        self._raise_if_lost()
        try:
            return await self._log.end(shard)
        except LogUnusable as error:
            self._note(error)
            raise

    @override
    async def ping(self) -> None:
        if self._refusal is not None:
            raise _fresh_copy(self._refusal)
        try:
            await self._log.ping()
        except LogUnusable as error:
            self._note(error)
            raise

    @override
    async def close(self) -> None:
        await self._log.close()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise _fresh_copy(self._lost)

    def _note(self, error: LogUnusable) -> None:
        """Record the first `error` of its kind, and say it."""
        if isinstance(error, LogLost) and self._lost is None:
            self._lost = error
            self._metrics.lost.set(1)
            log.error("log_lost", reason=str(error), epoch=self.epoch, runbook=BROKER_DATA_LOST)
            self._update_refusal()
        elif isinstance(error, LogEnded) and self._ended is None:
            self._ended = error
            self._metrics.ended.set(1)
            log.error("log_ended", epoch=self.epoch, set=f"MADANG_LOG_EPOCH={self.epoch + 1}")
            self._update_refusal()
            self.on_ended()

    def _set_verified(self, *, verified: bool) -> None:
        if verified:
            self._unverified.clear()
        else:
            self._unverified.set()
        self._metrics.verified.set(verified)
        self._update_refusal()

    def _update_refusal(self) -> None:
        unverified = None
        if self._unverified.is_set():
            unverified = LogUnverified("history has not confirmed yet that this is the current log")
        self._refusal = self._ended or self._lost or unverified

    async def _check_if_back(self) -> None:
        try:
            await self._log.ping()
            for shard in range(self.shards) if self._reads else ():
                await self._log.end(shard)
        except LogError:
            return
        self._lost = None
        self._metrics.lost.set(0)
        # It may be a new log of the same name, which this process cannot tell if it may not read.
        self._set_verified(verified=not self._needs_history)
        log.warning("log_found", epoch=self.epoch)


def _fresh_copy(error: LogUnusable) -> LogUnusable:
    """Return a copy of `error`, whose traceback does not grow."""
    return type(error)(str(error))
