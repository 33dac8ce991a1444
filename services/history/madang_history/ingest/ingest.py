"""The log into the store: follow, bulk store, progress; and how far behind that is."""

import asyncio
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from datetime import datetime

import structlog

from madang_common.clock import Clock
from madang_common.events.envelope import read_line
from madang_common.log.port import Batch, Log, LogError
from madang_history.dead_letters.port import DeadLines
from madang_history.ingest.ingest_queue import IngestQueue
from madang_history.ingest.shard import ShardIngest
from madang_history.leases.port import Leases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.port import MessageStore, StoreMismatch

log = structlog.get_logger()


async def check_log(chat_log: Log, store: MessageStore) -> None:
    """Raise StoreMismatch if `store` holds more than `chat_log` ever had: it is another log."""
    for shard in range(chat_log.shards):
        stored, end = await store.progress(shard), await chat_log.end(shard)
        if stored > end:
            raise StoreMismatch(
                f"shard {shard} is stored up to offset {stored}, but this log ends at {end}:"
                " what is stored came from another log"
            )


class Ingest:
    """The shards that this replica holds, each at its own pace."""

    def __init__(
        self,
        chat_log: Log,
        store: MessageStore,
        dead_lines: DeadLines,
        leases: Leases,
        metrics: HistoryMetrics,
        settings: HistorySettings,
        *,
        clock: Clock,
    ) -> None:
        self._log = chat_log
        self._store = store
        self._dead_lines = dead_lines
        self._leases = leases
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._working: dict[int, tuple[ShardIngest, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Work until cancelled, and let go of all shards."""
        for shard in range(self._log.shards):
            self._metrics.held.labels(shard).set(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(group))
            group.create_task(self._watch())

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """Work on those shards that are held."""
        try:
            async with aclosing(self._leases.changes()) as changes:
                async for held in changes:
                    log.info("leases_changed", held=sorted(held))
                    await self._stop(self._working.keys() - held)
                    for shard in held - self._working.keys():
                        self._start(shard, group)
        finally:
            await self._stop(set(self._working))
            await self._leases.release()

    def _start(self, shard: int, group: asyncio.TaskGroup) -> None:
        ingest = ShardIngest(
            shard,
            chat_log=self._log,
            store=self._store,
            dead_lines=self._dead_lines,
            holds=lambda: self._leases.holds(shard),
            backlog=IngestQueue(
                most_bytes=self._settings.history_backlog_bytes,
                take_events=self._settings.history_write_events,
            ),
            metrics=self._metrics,
            retry_seconds=self._settings.history_retry_seconds,
        )
        self._working[shard] = ingest, group.create_task(ingest.run(), name=f"ingest-{shard}")
        self._metrics.held.labels(shard).set(1)

    async def _stop(self, shards: AbstractSet[int]) -> None:
        """Stop working on `shards`, and return when nothing more is written for them."""
        tasks = [self._working.pop(shard)[1] for shard in shards]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for shard in shards:
            self._metrics.held.labels(shard).set(0)
            self._metrics.forget(shard)

    async def _watch(self) -> None:
        """Measure how far the store is behind, again and again."""
        while True:
            for shard in list(self._working):
                try:
                    end = await self._log.end(shard)
                except LogError as error:
                    log.warning("log_end_unknown", shard=shard, error=str(error))
                    end = None
                if shard in self._working:
                    self._measure(shard, end)
            await asyncio.sleep(self._settings.history_lag_poll_seconds)

    def _measure(self, shard: int, end: int | None) -> None:
        ingest, _ = self._working[shard]
        if end is not None:
            self._metrics.end_offset.labels(shard).set(end)
        age = age_seconds(ingest.oldest_waiting, self._clock())
        self._metrics.behind.labels(shard).set(age)


def age_seconds(batch: Batch | None, now: float) -> float:
    """Return how long ago the first event of `batch` was sent, by its sender's clock."""
    for line in batch.lines if batch else ():
        try:
            return max(0.0, now - datetime.fromisoformat(read_line(line).at).timestamp())
        except (ValueError, OverflowError):
            continue
    return 0.0
