"""One shard of the log on its way into the store."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import structlog
from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from madang_common.events.departures import Departures
from madang_common.log.port import Batch, Log
from madang_common.log.position import to_id
from madang_history.dead_letters.port import DeadLine, DeadLines
from madang_history.ingest.decode import decode_lines, note_departures
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.leases.port import LeaseLost
from madang_history.metrics import HistoryMetrics
from madang_history.store.port import Hole, MessageStore

log = structlog.get_logger()

T = TypeVar("T")

_READ_AGAIN = 4096
"""Batches before the stored progress that are read again for the departures in them; far more than
stand between a removal and a message that crossed it."""


class ShardIngest:
    """Follows one shard from its stored progress, and stores what comes, in order."""

    def __init__(
        self,
        shard: int,
        *,
        chat_log: Log,
        store: MessageStore,
        dead_lines: DeadLines,
        holds: Callable[[], bool],
        backlog: IngestQueue,
        metrics: HistoryMetrics,
        retry_seconds: float,
    ) -> None:
        """Bring `shard` of `chat_log` into `store`, writing only while `holds` says so.

        Pause up to `retry_seconds` after failures.
        """
        self._shard = shard
        self._log = chat_log
        self._store = store
        self._dead_lines = dead_lines
        self._holds = holds
        self._backlog = backlog
        self._metrics = metrics
        self._pause = wait_random_exponential(multiplier=0.05, max=retry_seconds)
        self._storing: list[Batch] = []
        self._stored_to = 0
        self._departures = Departures()

    @property
    def oldest_waiting(self) -> Batch | None:
        """The oldest batch that was read and is not stored yet."""
        return self._storing[0] if self._storing else self._backlog.oldest

    async def run(self) -> None:
        """Work until cancelled."""
        self._stored_to = await self._until_done(lambda: self._store.progress(self._shard))
        self._metrics.stored_offset.labels(self._shard).set(self._stored_to)
        log.info("ingest_started", shard=self._shard, offset=self._stored_to)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._until_done(self._follow_from(self._stored_to)))
            group.create_task(self._store_all())

    def _follow_from(self, stored_to: int) -> Callable[[], Awaitable[None]]:
        """Return what reads the shard from `stored_to` on, and from where it was if called again.

        Some batches before that are read again, for the users who left a room in them.
        """
        offset = max(0, stored_to - _READ_AGAIN)

        async def follow() -> None:
            nonlocal offset
            async with aclosing(self._log.follow(self._shard, offset)) as batches:
                async for batch in batches:
                    if batch.offset < stored_to:
                        note_departures(batch, self._departures)
                    else:
                        await self._backlog.put(batch)
                    offset = batch.offset + 1
            raise EOFError("the log was closed")

        return follow

    async def _store_all(self) -> None:
        while True:
            self._storing = await self._backlog.take()
            await self._store_batches(self._storing)
            self._storing = []

    async def _store_batches(self, batches: list[Batch]) -> None:
        expected = self._stored_to
        for batch in batches:
            if batch.offset > expected:
                await self._note_hole(Hole(expected, batch.offset))
            expected = batch.offset + 1
        found = decode_lines(batches, self._shard, self._store.shards, self._departures)
        self._metrics.barred.inc(found.barred)
        for dead in found.dead:
            await self._set_aside(dead)
        new = await self._write(lambda: self._store.store(self._shard, found.entries, expected))
        self._stored_to = expected
        self._metrics.stored.inc(new)
        self._metrics.repeated.inc(len(found.entries) - new)
        self._metrics.stored_offset.labels(self._shard).set(expected)

    async def _note_hole(self, hole: Hole) -> None:
        await self._write(lambda: self._store.add_hole(self._shard, hole))
        self._metrics.lost.inc(hole.after - hole.first)
        log.error("log_hole", shard=self._shard, first=hole.first, after=hole.after)

    async def _set_aside(self, dead: DeadLine) -> None:
        await self._write(lambda: self._dead_lines.put(dead))
        self._metrics.dead.inc()
        position = to_id(dead.position)
        log.error("line_set_aside", shard=self._shard, position=position, reason=dead.reason)

    async def _write(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write if the shard is still held, else wait to be stopped or to hold it again."""

        async def write_if_held() -> T:
            if not self._holds():
                raise LeaseLost(f"shard {self._shard} may be another replica's by now")
            return await write()

        return await self._until_done(write_if_held)

    async def _until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns; whatever it raises, try again, so that nothing is skipped."""
        async for attempt in AsyncRetrying(wait=self._pause, before_sleep=self._failed):
            with attempt:
                return await work()
        raise AssertionError("unreachable")

    def _failed(self, state: RetryCallState) -> None:
        self._metrics.failures.inc()
        error = state.outcome.exception() if state.outcome else None
        log.warning(
            "ingest_failed",
            shard=self._shard,
            attempt=state.attempt_number,
            error=repr(error),
            cause=repr(error.__cause__) if error else None,
        )
