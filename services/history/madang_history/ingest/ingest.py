"""Ingest of the log, epoch by epoch."""

from collections.abc import Sequence
from functools import partial

import structlog

from madang_common.events.envelope import Event
from madang_common.log.port import Log, OlderLogs
from madang_common.log.position import first_offset
from madang_history.ingest.departed import REPLAYED_BATCHES, read_membership_changes
from madang_history.ingest.epoch import EpochIngest, IngestPorts
from madang_history.ingest.retry import Retry
from madang_history.store.epochs import is_sealed
from madang_history.store.port import Epoch

log = structlog.get_logger()


class Ingest:
    """Completes the older epochs, then stores the current one.

    In this order: so the first of several events with the same key counts, and everything before
    the progress of an audience is stored.
    """

    def __init__(self, chat_log: Log, ports: IngestPorts, *, older_logs: OlderLogs) -> None:
        self._log = chat_log
        self._current = Epoch(chat_log.epoch, chat_log.shards)
        self._ports = ports
        self._store = ports.store
        self._older_logs = older_logs
        self._retry = Retry(ports.metrics, max_seconds=ports.settings.history_retry_seconds)

    async def run(self) -> None:
        """Run until cancelled, then release all shards."""
        for shard in range(self._log.shards):
            self._ports.metrics.held.labels(shard).set(0)
        await self._retry(self._complete_older_epochs)
        departed = await self._retry(partial(self._departed_before, self._current))
        leases = await self._retry(partial(self._ports.open_leases, self._current))
        await EpochIngest(self._current, self._log, leases, self._ports, departed=departed).run()

    async def _complete_older_epochs(self) -> None:
        """Store each older epoch to its end, the oldest first."""
        older = [epoch for epoch in await self._store.epochs() if epoch.number < self._log.epoch]
        incomplete = [epoch for epoch in older if not await is_sealed(self._store, epoch)]
        self._ports.metrics.incomplete_epochs.set(len(incomplete))
        for epoch in incomplete:
            log.info("epoch_incomplete", epoch=epoch.number, shards=epoch.shards)
            await self._complete(epoch)
            self._ports.metrics.incomplete_epochs.dec()

    async def _complete(self, epoch: Epoch) -> None:
        departed = await self._departed_before(epoch)
        leases = await self._ports.open_leases(epoch)
        async with self._older_logs(epoch.number, epoch.shards) as older_log:
            ingest = EpochIngest(
                epoch, older_log, leases, self._ports, is_current=False, departed=departed
            )
            await ingest.finish()

    async def _departed_before(self, epoch: Epoch) -> Sequence[Event]:
        """Return the last changes of memberships before `epoch`, if it has only just begun."""
        earlier = [one for one in await self._store.epochs() if one.number < epoch.number]
        soon = first_offset(epoch.number) + REPLAYED_BATCHES
        stored = [
            (await self._store.progress_of(shard, epoch.number)).next
            for shard in range(epoch.shards)
        ]
        if not earlier or min(stored) >= soon:
            return ()
        return await read_membership_changes(earlier[-1], self._older_logs)
