"""After each commit: wakes the relay, and holds the answer to a removal until it is in the log.

A client that gets the answer to a removal, a ban or a leave may rely on it: no message that is sent
from then on reaches the user who is out. The wait is bounded, so that an outage of the log delays
the answer and does not refuse the change.
"""

import asyncio
from collections.abc import Sequence

import structlog

from madang_common.events.kinds import AWAITING_LOG
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.outbox.relay import Relay

log = structlog.get_logger()


class CommitHook:
    """Awaited by the unit of work after each commit."""

    def __init__(self, relay: Relay, metrics: RoomsMetrics, *, wait_seconds: float) -> None:
        """Wait at most `wait_seconds` for the event of a removal."""
        self._relay = relay
        self._metrics = metrics
        self._wait_seconds = wait_seconds

    async def __call__(self, kinds: Sequence[str]) -> None:
        """Publish the committed events of `kinds`; wait if one of them awaits the log."""
        self._metrics.committed(kinds)
        self._relay.wake()
        if not AWAITING_LOG.isdisjoint(kinds):
            await self._published()

    async def _published(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._relay.published()
        except TimeoutError:
            log.warning("outbox_not_carried_in_time")
