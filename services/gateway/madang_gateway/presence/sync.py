"""Keeps the presence store up to date with this gateway's presence, in the background."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from madang_common.clock import MonotonicClock
from madang_common.ids import new_id
from madang_gateway.metrics import Metrics
from madang_gateway.presence.announcer import PresenceAnnouncer
from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.port import (
    EnrolmentLost,
    PresenceBatch,
    PresenceChange,
    PresenceKey,
    PresenceStore,
    PresenceStoreError,
)

log = structlog.get_logger()

CHUNK = 256
"""Most changes of one write, which blocks all other requests to the store."""
_PAUSE_SECONDS = 0.02
"""Pause between two writes, in which changes are batched."""
_RETRY_SECONDS = 0.5
_LEASE_SHARE = 0.6
_RENEW_SHARE = 0.2
"""Shares of `presence_seconds`. Two renewals may fail before the lease expires; the remaining time
is for clearing the entries."""
_STOP_SECONDS = 1.0


@dataclass(slots=True)
class _Enrolment:
    """This gateway in the store, under an id that is never used again."""

    gateway: str
    number: int = 0
    """Number of the last batch that the store has."""


class PresenceSync:
    """Writes changes in batches, renews the lease, clears the entries of dead gateways.

    When the store has lost this gateway's enrolment (the store was restarted, or this process was
    paused and another gateway cleared its entries), the gateway enrolls under a new id and writes
    everything again; entries under the old id are cleared when its lease expires.

    A gateway clears others only after it was connected to the store for a whole lease: after an
    outage of the store, the other gateways need that time to renew their leases.
    """

    def __init__(
        self,
        store: PresenceStore,
        local: LocalPresence,
        announcer: PresenceAnnouncer,
        *,
        seconds: float,
        grace_seconds: float,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        """Show users for at most `seconds` after their gateway died.

        The lease of a gateway that stops ends after `grace_seconds`, in which its users reconnect
        to others. `clock` must be the clock of `local`.
        """
        self._store = store
        self._local = local
        self._announcer = announcer
        self._lease_seconds = seconds * _LEASE_SHARE
        self._renew_seconds = seconds * _RENEW_SHARE
        self._grace_seconds = grace_seconds
        self._metrics = metrics
        self._clock = clock
        self._enrolment: _Enrolment | None = None
        self._data_id: str | None = None
        self._batch: PresenceBatch | None = None
        """May have been written; repeated until the store confirms it."""
        self._renewed_at = 0.0
        self._connected_since: float | None = None
        self._store_failing = False
        self._hold_until = 0.0
        """Leaves are not written before this time: other gateways may have joins to write."""
        self._unannounced: set[PresenceKey] = set()
        """Entries from before the store lost its data; their joins are not announced."""
        self._dead: list[str] = []
        self._changed = asyncio.Event()
        local.on_change = self._changed.set
        metrics.presence_here.set_function(lambda: len(local))

    async def run(self) -> None:
        """Synchronise for as long as the gateway runs."""
        while True:
            try:
                await self._step()
                self._store_failing = False
            except EnrolmentLost:
                self._start_over()
            except PresenceStoreError as error:
                self._store_failed(error)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                log.exception("presence_failed")
                self._start_over()
                await asyncio.sleep(_RETRY_SECONDS)
            await self._pause()

    async def stop(self) -> None:
        """Shorten the lease to the grace period; other gateways then clear the entries."""
        if self._enrolment is not None:
            with suppress(PresenceStoreError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._store.retire(self._enrolment.gateway, self._grace_seconds)

    async def _step(self) -> None:
        """Write changes, renew the lease and clear dead gateways, as far as that is due."""
        enrolment = self._enrolment or await self._enroll()
        if self._batch is None:
            self._batch = self._next_batch(enrolment)
        if self._batch is not None:
            await self._write(enrolment, self._batch)
        if self._clock() - self._renewed_at >= self._renew_seconds:
            await self._renew(enrolment)
        if self._dead:
            await self._clear()

    async def _enroll(self) -> _Enrolment:
        enrolment = _Enrolment(new_id())
        now = self._clock()
        data_id = await self._store.enroll(enrolment.gateway, self._lease_seconds)
        written = self._local.rewrite_all()
        if self._data_id not in {None, data_id}:
            # The store lost its data; no leave was announced.
            self._unannounced = written
            self._hold_until = now + self._lease_seconds
        self._data_id = data_id
        self._enrolment = enrolment
        self._renewed_at = self._connected_since = now
        log.info("presence_enrolled", gateway=enrolment.gateway, here=len(self._local))
        return enrolment

    def _next_batch(self, enrolment: _Enrolment) -> PresenceBatch | None:
        leaving = self._clock() >= self._hold_until
        joined, left = self._local.take_changes(CHUNK, leaving=leaving)
        return PresenceBatch(enrolment.number + 1, joined, left) if joined or left else None

    async def _write(self, enrolment: _Enrolment, batch: PresenceBatch) -> None:
        result = await self._store.write(enrolment.gateway, batch)
        self._batch = None
        enrolment.number = batch.number
        self._announcer.left(result.left)
        self._announcer.joined(self._to_announce(result.joined))
        if self._unannounced:
            self._unannounced.difference_update(entry.key for entry in batch.joined)

    def _to_announce(self, joined: Iterable[PresenceChange]) -> list[PresenceChange]:
        return [change for change in joined if change.entry.key not in self._unannounced]

    async def _renew(self, enrolment: _Enrolment) -> None:
        now = self._clock()
        self._dead = list(
            await self._store.renew(enrolment.gateway, enrolment.number, self._lease_seconds)
        )
        if self._connected_since is None or now - self._renewed_at > 2 * self._renew_seconds:
            self._connected_since = now
        self._renewed_at = now
        if now - self._connected_since < self._lease_seconds:
            self._dead = []

    async def _clear(self) -> None:
        """Clear some entries of a dead gateway and announce the users who left with it."""
        dead = self._dead[-1]
        result = await self._store.clear(dead, CHUNK)
        self._announcer.left(result.left)
        self._metrics.presence_cleared.inc(len(result.left))
        if result.done:
            self._dead.pop()
            log.info("presence_cleared", gateway=dead)

    def _start_over(self) -> None:
        """Enroll again in the next step, and write everything again."""
        self._metrics.presence_heals.inc()
        self._enrolment = None
        self._dead = []
        self._unannounced = set()
        batch, self._batch = self._batch, None
        if batch is not None:
            self._local.restore_changes(batch.joined, batch.left)

    def _store_failed(self, error: PresenceStoreError) -> None:
        self._metrics.presence_failures.inc()
        if not self._store_failing:
            log.warning("presence_board_away", error=str(error))
        self._store_failing = True
        self._connected_since = None
        self._dead = []

    async def _pause(self) -> None:
        """Return when something is due, after a minimal pause."""
        await asyncio.sleep(_PAUSE_SECONDS)
        self._changed.clear()
        seconds = self._due_at() - self._clock()
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def _due_at(self) -> float:
        """Return when the next step is due."""
        if self._enrolment is None or self._batch is not None or self._dead:
            return self._clock()
        due = self._renewed_at + self._renew_seconds
        changes_at = self._local.next_change_at(leaving=False)
        if changes_at is None:
            leaving_at = self._local.next_change_at()
            if leaving_at is not None:
                changes_at = max(leaving_at, self._hold_until)
        return due if changes_at is None else min(due, changes_at)
