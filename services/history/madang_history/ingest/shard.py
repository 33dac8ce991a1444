"""Ingest of one shard of one epoch of the log."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import structlog

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event
from madang_common.log.port import Batch, Log, LogEnded, LogLost, LogUnavailable
from madang_common.log.position import first_offset, position, shard_of, to_id
from madang_common.log.runbooks import BROKER_DATA_LOST
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.ingest.decode import decode_lines, note_departures
from madang_history.ingest.departed import REPLAYED_BATCHES
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.ingest.retry import Retry
from madang_history.leases.port import LeaseLost
from madang_history.metrics import HistoryMetrics
from madang_history.store.port import Epoch, Gap, MessageStore

log = structlog.get_logger()

T = TypeVar("T")

_LOST_SECONDS = 10.0
"""Pause between two attempts to read a log that is lost."""


@dataclass(frozen=True, slots=True)
class _LogEnd:
    """Why nothing more comes from the log."""

    offset: int | None
    """The offset after the last batch of the epoch; None if the log was lost before its end."""
    reason: str


class ShardIngest:
    """Reads one shard from its progress on, and stores its events in order.

    ```
    log ── follow ──▶ queue ── store ──▶ progress ─ ─ ─▶ sealed, if the epoch has ended
    ```
    """

    def __init__(
        self,
        shard: int,
        epoch: Epoch,
        *,
        chat_log: Log | None,
        store: MessageStore,
        dead_letters: DeadLetters,
        holds: Callable[[], bool],
        queue: IngestQueue,
        metrics: HistoryMetrics,
        retry_seconds: float,
        end_within: float | None = None,
        departed: Sequence[Event] = (),
    ) -> None:
        """Store `shard` of `epoch` in `store`; write only while `holds` returns True.

        `chat_log` is None if the log of an older epoch is lost. Such a log must end within
        `end_within` seconds without a batch, or the rest of it counts as lost; the current one
        (None) may stay quiet, and is never given up. Retry failures with a backoff of up to
        `retry_seconds`. `departed` are changes of memberships before this epoch.
        """
        self._shard = shard
        self._epoch = epoch
        self._log = chat_log
        self._store = store
        self._dead_letters = dead_letters
        self._holds = holds
        self._queue = queue
        self._metrics = metrics
        self._retry = Retry(metrics, max_seconds=retry_seconds, shard=shard)
        self._end_within = end_within
        self._storing: list[Batch] = []
        self._stored_to = 0
        self._departures = Departures()
        for event in departed:
            if shard_of(event.audience, epoch.shards) == shard:
                self._departures.apply(event)

    @property
    def stored_to(self) -> int:
        """The offset up to which this ingest has stored the shard."""
        return self._stored_to

    @property
    def oldest_unstored(self) -> Batch | None:
        """The oldest batch that was read and is not stored yet."""
        return self._storing[0] if self._storing else self._queue.oldest

    async def run(self) -> None:
        """Run until cancelled, or until everything is stored that this epoch will ever have."""
        progress = await self._retry(
            lambda: self._store.progress_of(self._shard, self._epoch.number)
        )
        self._stored_to = progress.next
        self._metrics.stored_offset.labels(self._shard).set(self._stored_to)
        if progress.is_sealed:
            return
        log.info("ingest_started", shard=self._shard, offset=self._stored_to)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            group.create_task(self._store_all())
        await self._seal(reading.result())

    async def _read(self) -> _LogEnd:
        """Put the batches of the log into the queue until there are no more."""
        follow = self._follow_from(self._stored_to)
        end = await self._retry(follow)
        while end.offset is None and self._end_within is None:
            # What becomes of the current epoch is for the operator to decide.
            await asyncio.sleep(_LOST_SECONDS)
            end = await self._retry(follow)
        await self._queue.close()
        return end

    def _follow_from(self, stored_to: int) -> Callable[[], Awaitable[_LogEnd]]:
        """Return a function that reads the shard from `stored_to` on, and resumes if called again.

        It first replays some batches before that, for the departures in them.
        """
        offset = max(first_offset(self._epoch.number), stored_to - REPLAYED_BATCHES)

        async def follow() -> _LogEnd:
            nonlocal offset
            if self._log is None:
                return _LogEnd(None, "the log of this epoch does not exist any more")
            try:
                async with aclosing(self._log.follow(self._shard, offset)) as batches:
                    while True:
                        batch = await self._next(batches, self._log, offset)
                        if batch.offset < stored_to:
                            note_departures(batch, self._departures)
                        else:
                            await self._queue.put(batch)
                        offset = batch.offset + 1
            except LogEnded as ended:
                return _LogEnd(offset if ended.end is None else ended.end, str(ended))
            except LogLost as lost:
                return _LogEnd(None, str(lost))

        return follow

    async def _next(self, batches: AsyncGenerator[Batch], chat_log: Log, offset: int) -> Batch:
        try:
            async with asyncio.timeout(self._end_within):
                return await anext(batches)
        except StopAsyncIteration:
            raise EOFError("the log was closed") from None
        except TimeoutError:
            if offset < await chat_log.end(self._shard):
                raise LogUnavailable("the log sends no more batches although it has some") from None
            raise LogLost("the log has no marker at the end of this epoch") from None

    async def _store_all(self) -> None:
        while batches := await self._queue.take():
            self._storing = batches
            await self._store_batches(batches)
            self._storing = []

    async def _store_batches(self, batches: list[Batch]) -> None:
        expected = self._stored_to
        for batch in batches:
            if batch.offset > expected:
                await self._record_gap(Gap(expected, batch.offset))
            expected = batch.offset + 1
        decoded = decode_lines(batches, self._shard, self._epoch.shards, self._departures)
        self._metrics.barred.inc(decoded.barred)
        for dead in decoded.dead_letters:
            await self._add_dead_letter(dead)
        new = await self._write(lambda: self._store.store(self._shard, decoded.entries, expected))
        self._advance(expected)
        self._metrics.stored.inc(new)
        self._metrics.duplicates.inc(len(decoded.entries) - new)

    async def _seal(self, end: _LogEnd) -> None:
        """Record that the epoch has ended; if the log had reached a later end, that it was lost."""
        number = self._epoch.number
        if end.offset is not None and end.offset > self._stored_to:
            # Retention dropped the last batches; the marker is still there.
            offset = end.offset
            await self._record_gap(Gap(self._stored_to, offset))
            await self._write(lambda: self._store.store(self._shard, [], offset))
            self._advance(offset)
        progress = await self._retry(lambda: self._store.progress_of(self._shard, number))
        lost = end.offset is None or progress.end > end.offset
        sealed = await self._write(lambda: self._store.seal(self._shard, number, lost=lost))
        if not sealed.lost:
            log.info("epoch_sealed", epoch=number, shard=self._shard, offset=sealed.next)
            return
        at_least = sealed.end - sealed.next
        self._metrics.lost.inc(at_least)
        log.error(
            "log_lost_for_good",
            epoch=number,
            shard=self._shard,
            first=to_id(position(sealed.next, 0)),
            batches_at_least=at_least,
            reason=end.reason,
            runbook=BROKER_DATA_LOST,
        )

    def _advance(self, offset: int) -> None:
        self._stored_to = offset
        self._metrics.stored_offset.labels(self._shard).set(offset)

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
