"""Ingest of one shard of the log."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from madang_common.events.departures import Departures
from madang_common.log.port import Batch, Log
from madang_common.log.position import to_id
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.ingest.decode import decode_lines, note_departures
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.leases.port import LeaseLost
from madang_history.metrics import HistoryMetrics
from madang_history.store.port import Gap, MessageStore

log = structlog.get_logger()

T = TypeVar("T")

_REPLAYED_BATCHES = 4096
"""Batches before the progress that are read again for their departures; far more than can be
between a removal and a message that was in flight at that time."""


class ShardIngest:
    """Reads one shard from its progress on, and stores its events in order."""

    def __init__(
        self,
        shard: int,
        *,
        chat_log: Log,
        store: MessageStore,
        dead_letters: DeadLetters,
        holds: Callable[[], bool],
        queue: IngestQueue,
        metrics: HistoryMetrics,
        retry_seconds: float,
    ) -> None:
        """Store `shard` of `chat_log` in `store`; write only while `holds` returns True.

        Retry failures with a backoff of up to `retry_seconds`.
        """
        self._shard = shard
        self._log = chat_log
        self._store = store
        self._dead_letters = dead_letters
        self._holds = holds
        self._queue = queue
        self._metrics = metrics
        self._backoff = wait_random_exponential(multiplier=0.05, max=retry_seconds)
        self._storing: list[Batch] = []
        self._stored_to = 0
        self._departures = Departures()

    @property
    def oldest_unstored(self) -> Batch | None:
        """The oldest batch that was read and is not stored yet."""
        return self._storing[0] if self._storing else self._queue.oldest

    async def run(self) -> None:
        """Run until cancelled."""
        self._stored_to = await self._retry(lambda: self._store.progress(self._shard))
        self._metrics.stored_offset.labels(self._shard).set(self._stored_to)
        log.info("ingest_started", shard=self._shard, offset=self._stored_to)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._retry(self._follow_from(self._stored_to)))
            group.create_task(self._store_all())

    def _follow_from(self, stored_to: int) -> Callable[[], Awaitable[None]]:
        """Return a function that reads the shard from `stored_to` on, and resumes if called again.

        It first replays some batches before that, for the departures in them.
        """
        offset = max(0, stored_to - _REPLAYED_BATCHES)

        async def follow() -> None:
            nonlocal offset
            async with aclosing(self._log.follow(self._shard, offset)) as batches:
                async for batch in batches:
                    if batch.offset < stored_to:
                        note_departures(batch, self._departures)
                    else:
                        await self._queue.put(batch)
                    offset = batch.offset + 1
            raise EOFError("the log was closed")

        return follow

    async def _store_all(self) -> None:
        while True:
            self._storing = await self._queue.take()
            await self._store_batches(self._storing)
            self._storing = []

    async def _store_batches(self, batches: list[Batch]) -> None:
        expected = self._stored_to
        for batch in batches:
            if batch.offset > expected:
                await self._record_gap(Gap(expected, batch.offset))
            expected = batch.offset + 1
        decoded = decode_lines(batches, self._shard, self._store.shards, self._departures)
        self._metrics.barred.inc(decoded.barred)
        for dead in decoded.dead_letters:
            await self._add_dead_letter(dead)
        new = await self._write(lambda: self._store.store(self._shard, decoded.entries, expected))
        self._stored_to = expected
        self._metrics.stored.inc(new)
        self._metrics.duplicates.inc(len(decoded.entries) - new)
        self._metrics.stored_offset.labels(self._shard).set(expected)

    async def _record_gap(self, gap: Gap) -> None:
        await self._write(lambda: self._store.add_gap(self._shard, gap))
        self._metrics.lost.inc(gap.after - gap.first)
        log.error("log_hole", shard=self._shard, first=gap.first, after=gap.after)

    async def _add_dead_letter(self, dead: DeadLetter) -> None:
        await self._write(lambda: self._dead_letters.add(dead))
        self._metrics.dead_letters.inc()
        position = to_id(dead.position)
        log.error("line_set_aside", shard=self._shard, position=position, reason=dead.reason)

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T:
        """Retry `write` until it succeeds; it runs only while the lease is valid."""

        async def write_if_held() -> T:
            if not self._holds():
                raise LeaseLost(f"another replica may hold shard {self._shard}")
            return await write()

        return await self._retry(write_if_held)

    async def _retry(self, work: Callable[[], Awaitable[T]]) -> T:
        """Retry `work` after any exception, so that nothing is skipped; return its result."""
        async for attempt in AsyncRetrying(wait=self._backoff, before_sleep=self._log_failure):
            with attempt:
                return await work()
        raise AssertionError("unreachable")

    def _log_failure(self, state: RetryCallState) -> None:
        self._metrics.failures.inc()
        error = state.outcome.exception() if state.outcome else None
        log.warning(
            "ingest_failed",
            shard=self._shard,
            attempt=state.attempt_number,
            error=repr(error),
            cause=repr(error.__cause__) if error else None,
        )
