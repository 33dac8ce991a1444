"""Ingest of all shards of one epoch that this replica holds, and metrics of its lag."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import structlog

from madang_common.clock import Clock
from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch, Log, LogError, LogUnusable
from madang_history.dead_letters.port import DeadLetters
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.ingest.shard import ShardIngest
from madang_history.leases.port import Leases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.epochs import is_sealed
from madang_history.store.port import Epoch, MessageStore, StoreError

log = structlog.get_logger()

OpenLeases = Callable[[Epoch], Awaitable[Leases]]
"""Joins the replicas that store an epoch."""

_END_WITHIN_SECONDS = 30.0
"""Longest wait for a batch or the marker of an older epoch; after it the rest of the epoch counts
as lost."""
_SEALED_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class IngestPorts:
    """What the ingest of each epoch works with."""

    store: MessageStore
    dead_letters: DeadLetters
    open_leases: OpenLeases
    metrics: HistoryMetrics
    settings: HistorySettings
    clock: Clock


class EpochIngest:
    """Runs a `ShardIngest` for each shard of an epoch that this replica holds."""

    def __init__(
        self,
        epoch: Epoch,
        chat_log: Log | None,
        leases: Leases,
        ports: IngestPorts,
        *,
        is_current: bool = True,
        departed: Sequence[Event] = (),
    ) -> None:
        """Store `epoch` from `chat_log`, None if that does not exist any more."""
        self._epoch = epoch
        self._log = chat_log
        self._leases = leases
        self._ports = ports
        self._store = ports.store
        self._metrics = ports.metrics
        self._is_current = is_current
        self._departed = departed
        self._running: dict[int, tuple[ShardIngest, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Run until cancelled, then release all shards."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_leases(group))
            group.create_task(self._measure_lag())

    async def finish(self) -> None:
        """Run until all shards are sealed, by this replica or by another."""
        running = asyncio.create_task(self.run())
        sealed = asyncio.create_task(self._until_sealed())
        try:
            done, _ = await asyncio.wait({running, sealed}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            running.cancel()
            sealed.cancel()
            await asyncio.wait({running, sealed})

    async def _until_sealed(self) -> None:
        while not await self._is_sealed():  # noqa: ASYNC110 - in the database
            await asyncio.sleep(_SEALED_POLL_SECONDS)

    async def _is_sealed(self) -> bool:
        try:
            return await is_sealed(self._store, self._epoch)
        except StoreError:
            return False  # ingest reports it

    async def _follow_leases(self, group: asyncio.TaskGroup) -> None:
        """Start and stop the ingest of shards as leases change."""
        try:
            async with aclosing(self._leases.changes()) as changes:
                async for held in changes:
                    log.info("leases_changed", epoch=self._epoch.number, held=sorted(held))
                    await self._stop(self._running.keys() - held)
                    for shard in held - self._running.keys():
                        self._start(shard, group)
        finally:
            await self._stop(set(self._running))
            await self._leases.release()

    def _start(self, shard: int, group: asyncio.TaskGroup) -> None:
        settings = self._ports.settings
        ingest = ShardIngest(
            shard,
            self._epoch,
            chat_log=self._log,
            store=self._store,
            dead_letters=self._ports.dead_letters,
            holds=lambda: self._leases.holds(shard),
            queue=IngestQueue(
                max_bytes=settings.history_backlog_bytes,
                batch_events=settings.history_write_events,
            ),
            metrics=self._metrics,
            retry_seconds=settings.history_retry_seconds,
            end_within=None if self._is_current else _END_WITHIN_SECONDS,
            departed=self._departed,
        )
        self._running[shard] = ingest, group.create_task(ingest.run(), name=f"ingest-{shard}")
        self._metrics.held.labels(shard).set(1)

    async def _stop(self, shards: AbstractSet[int]) -> None:
        """Stop the ingest of `shards`; return when nothing more is written for them."""
        tasks = [self._running.pop(shard)[1] for shard in shards]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for shard in shards:
            self._metrics.held.labels(shard).set(0)
            self._metrics.remove_shard(shard)

    async def _measure_lag(self) -> None:
        """Update the lag metrics periodically."""
        while True:
            for shard in list(self._running):
                end = await self._end(shard)
                if shard in self._running:
                    self._set_lag(shard, end)
                    await self._note_end(shard, end)
            await asyncio.sleep(self._ports.settings.history_lag_poll_seconds)

    async def _end(self, shard: int) -> int | None:
        if self._log is None:
            return None
        try:
            return await self._log.end(shard)
        except LogUnusable:
            return None  # the guard of the log reports it, once
        except LogError as error:
            log.warning("log_end_unknown", shard=shard, error=str(error))
            return None

    def _set_lag(self, shard: int, end: int | None) -> None:
        ingest, _ = self._running[shard]
        if end is not None:
            self._metrics.end_offset.labels(shard).set(end)
        age = age_seconds(ingest.oldest_unstored, self._ports.clock())
        self._metrics.lag.labels(shard).set(age)

    async def _note_end(self, shard: int, end: int | None) -> None:
        """Store what the log had, if it is more than is stored: the log might be lost."""
        ingest, _ = self._running[shard]
        if end is None or end <= ingest.stored_to or not self._is_current:
            return
        try:
            await self._store.note_end(shard, end)
        except StoreError:
            return  # ingest reports it


def age_seconds(batch: Batch | None, now: float) -> float:
    """Return the age of the first event of `batch`, by the clock of its sender."""
    for line in batch.lines if batch else ():
        try:
            return max(0.0, now - datetime.fromisoformat(read_line(line).at).timestamp())
        except (ValueError, OverflowError):
            continue
    return 0.0
