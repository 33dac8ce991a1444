"""The whole log into the store: follow, bulk store, progress; and how far behind that is."""

import asyncio
from datetime import datetime

import structlog

from madang_common.clock import Clock
from madang_common.events.envelope import read_line
from madang_common.log.port import Batch, Log, LogError
from madang_history.backlog import Backlog
from madang_history.dead.port import DeadLines
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.shard import ShardIngest
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
    """All shards, each at its own pace."""

    def __init__(
        self,
        chat_log: Log,
        store: MessageStore,
        dead_lines: DeadLines,
        metrics: HistoryMetrics,
        settings: HistorySettings,
        *,
        clock: Clock,
    ) -> None:
        self._log = chat_log
        self._metrics = metrics
        self._poll = settings.history_lag_poll_seconds
        self._clock = clock
        self._shards = [
            ShardIngest(
                shard,
                chat_log=chat_log,
                store=store,
                dead_lines=dead_lines,
                backlog=Backlog(
                    most_bytes=settings.history_backlog_bytes,
                    take_events=settings.history_write_events,
                ),
                metrics=metrics,
                retry_seconds=settings.history_retry_seconds,
            )
            for shard in range(chat_log.shards)
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for shard in self._shards:
                group.create_task(shard.run())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        """Measure how far the store is behind, again and again."""
        while True:
            for number, shard in enumerate(self._shards):
                try:
                    self._metrics.end_offset.labels(number).set(await self._log.end(number))
                except LogError as error:
                    log.warning("log_end_unknown", shard=number, error=str(error))
                age = age_seconds(shard.oldest_waiting, self._clock())
                self._metrics.behind.labels(number).set(age)
            await asyncio.sleep(self._poll)


def age_seconds(batch: Batch | None, now: float) -> float:
    """Return how long ago the first event of `batch` was sent, by its sender's clock."""
    for line in batch.lines if batch else ():
        try:
            return max(0.0, now - datetime.fromisoformat(read_line(line).at).timestamp())
        except ValueError:
            continue
    return 0.0
