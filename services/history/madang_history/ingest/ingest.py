"""Ingest of all shards that this replica holds, and metrics of its lag."""

import asyncio
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from datetime import datetime

import structlog

from madang_common.clock import Clock
from madang_common.events.envelope import read_line
from madang_common.log.port import Batch, Log, LogError
from madang_history.dead_letters.port import DeadLetters
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.ingest.shard import ShardIngest
from madang_history.leases.port import Leases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.port import MessageStore, StoreMismatch

log = structlog.get_logger()


async def check_log(chat_log: Log, store: MessageStore) -> None:
    """Raise StoreMismatch if `store` is ahead of `chat_log`, so belongs to another log."""
    for shard in range(chat_log.shards):
        stored, end = await store.progress(shard), await chat_log.end(shard)
        if stored > end:
            raise StoreMismatch(
                f"shard {shard} is stored up to offset {stored}, but this log ends at {end}:"
                " the store belongs to another log"
            )


class Ingest:
    """Runs a `ShardIngest` for each shard that this replica holds."""

    def __init__(
        self,
        chat_log: Log,
        store: MessageStore,
        dead_letters: DeadLetters,
        leases: Leases,
        metrics: HistoryMetrics,
        settings: HistorySettings,
        *,
        clock: Clock,
    ) -> None:
        self._log = chat_log
        self._store = store
        self._dead_letters = dead_letters
        self._leases = leases
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._running: dict[int, tuple[ShardIngest, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Run until cancelled, then release all shards."""
        for shard in range(self._log.shards):
            self._metrics.held.labels(shard).set(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_leases(group))
            group.create_task(self._measure_lag())

    async def _follow_leases(self, group: asyncio.TaskGroup) -> None:
        """Start and stop the ingest of shards as leases change."""
        try:
            async with aclosing(self._leases.changes()) as changes:
                async for held in changes:
                    log.info("leases_changed", held=sorted(held))
                    await self._stop(self._running.keys() - held)
                    for shard in held - self._running.keys():
                        self._start(shard, group)
        finally:
            await self._stop(set(self._running))
            await self._leases.release()

    def _start(self, shard: int, group: asyncio.TaskGroup) -> None:
        ingest = ShardIngest(
            shard,
            chat_log=self._log,
            store=self._store,
            dead_letters=self._dead_letters,
            holds=lambda: self._leases.holds(shard),
            queue=IngestQueue(
                max_bytes=self._settings.history_backlog_bytes,
                batch_events=self._settings.history_write_events,
            ),
            metrics=self._metrics,
            retry_seconds=self._settings.history_retry_seconds,
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
                try:
                    end = await self._log.end(shard)
                except LogError as error:
                    log.warning("log_end_unknown", shard=shard, error=str(error))
                    end = None
                if shard in self._running:
                    self._set_lag(shard, end)
            await asyncio.sleep(self._settings.history_lag_poll_seconds)

    def _set_lag(self, shard: int, end: int | None) -> None:
        ingest, _ = self._running[shard]
        if end is not None:
            self._metrics.end_offset.labels(shard).set(end)
        age = age_seconds(ingest.oldest_unstored, self._clock())
        self._metrics.lag.labels(shard).set(age)


def age_seconds(batch: Batch | None, now: float) -> float:
    """Return the age of the first event of `batch`, by the clock of its sender."""
    for line in batch.lines if batch else ():
        try:
            return max(0.0, now - datetime.fromisoformat(read_line(line).at).timestamp())
        except (ValueError, OverflowError):
            continue
    return 0.0
