"""From the log to everyone here: one pass over each batch, in order, without a pause."""

from collections.abc import Callable

import structlog

from madang_common.clock import Clock
from madang_common.events.data import MembershipChange
from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import MEMBERSHIP_CHANGES
from madang_common.log.port import Batch
from madang_common.log.position import position
from madang_common.problems import Problem, Unavailable
from madang_gateway.backends.memberships import Memberships
from madang_gateway.fanout.broadcaster import Broadcaster, Roster
from madang_gateway.fanout.encoding import PositionedEvent
from madang_gateway.metrics import Metrics
from madang_gateway.state.event_decoder import read
from madang_gateway.state.idempotency_keys import First, IdempotencyKeys, Key, first_of
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.state.recent_events import Kept, RecentEvents
from madang_gateway.state.sent_lines import SentLines

log = structlog.get_logger()

EndMembership = Callable[[str, str], None]
"""Ends the subscriptions of a user (first) to a room (second)."""


class Dispatcher:
    """Applies what the log brings: tail, keys, memberships, deliveries, receipts.

    A second copy of an event (same audience, sender and key) is left out everywhere, and so is a
    message after the end of its sender's membership. Someone who left or was removed receives the
    event that says so, and nothing after it.
    """

    def __init__(
        self,
        *,
        tail: RecentEvents,
        keys: IdempotencyKeys,
        own_lines: SentLines,
        memberships: Memberships,
        receipts: PendingReceipts,
        roster: Roster,
        delivery: Broadcaster,
        end_membership: EndMembership,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Use a steady `clock`; it only ages what is kept in memory."""
        self._tail = tail
        self._keys = keys
        self._own_lines = own_lines
        self._memberships = memberships
        self._receipts = receipts
        self._roster = roster
        self._delivery = delivery
        self._end_membership = end_membership
        self._metrics = metrics
        self._clock = clock
        self._departures = Departures()

    def apply(self, shard: int, batch: Batch) -> None:
        """Apply the next batch of `shard`."""
        now = self._clock()
        self._keys.age(now)
        followed, waited_for = self._roster.audiences, self._receipts.keys
        kept: list[tuple[str, Kept]] = []
        ready: dict[str, list[PositionedEvent]] = {}
        arrived: list[tuple[Key, First]] = []
        barred: list[Key] = []
        departed = self._departures or None
        for at, line in enumerate(batch.lines, position(batch.offset, 0)):
            try:
                event, audience, key, digest = self._own_lines.take(line) or read(line, followed)
            except ValueError:
                self._metrics.unreadable.inc()
                log.exception("event_unreadable", shard=shard, offset=batch.offset)
                continue
            first = self._keys.get(key)
            if first is not None:
                self._metrics.duplicates.inc()
            elif (
                departed is not None
                and departed.any_in(audience)
                and departed.exclude(event or read_line(line))
            ):
                self._metrics.barred.inc()
                barred.append(key)
                continue
            else:
                first = first_of(at, digest)
                self._keys.add(key, first)
                kept.append((audience, (at, line)))
                if event is not None:
                    if audience in followed:
                        ready.setdefault(audience, []).append(PositionedEvent.at(at, event, line))
                    if event.kind in MEMBERSHIP_CHANGES:
                        self._change(event, ready.pop(audience, []))
                        departed = self._departures
            if key in waited_for:
                arrived.append((key, first))
        self._tail.add(shard, batch.offset, kept, now)
        for audience, placed in ready.items():
            self._delivery.events(audience, placed)
        self._metrics.sends.inc(len(arrived))
        self._tell_senders(arrived, barred, now)
        self._tail.trim(now)
        self._metrics.events.inc(len(batch.lines))
        self._metrics.tail_bytes.set(self._tail.bytes)

    def _tell_senders(
        self, arrived: list[tuple[Key, First]], barred: list[Key], now: float
    ) -> None:
        for key, first in arrived:
            self._receipts.arrived(key, first, now)
        for key in barred:
            self._receipts.failed(key, _crossed())

    def _change(self, event: Event, ready: list[PositionedEvent]) -> None:
        """Deliver what came up to this event, then let the change take effect."""
        room = event.room or ""
        if ready:
            self._delivery.events(event.audience, ready)
        self._memberships.changed(room)
        self._departures.apply(event)
        if MEMBERSHIP_CHANGES[event.kind] is MembershipChange.ENDS:
            self._end_membership(str(event.data.get("user")), room)


def _crossed() -> Problem:
    """Return the refusal of a message that came after the end of its sender's membership.

    The sender may be a member again; then the next try succeeds.
    """
    reason = "Your membership changed while you sent this; send it again with the same key."
    return Unavailable(reason, retry_after_seconds=1)
