"""Applies batches of the log to everything in this gateway that depends on them."""

from collections.abc import Callable

import structlog

from madang_common.clock import MonotonicClock
from madang_common.events.data import MembershipChange
from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import MEMBERSHIP_CHANGES
from madang_common.events.message_kinds import MessageCreated
from madang_common.log.port import Batch
from madang_common.log.position import position
from madang_common.problems import Problem, Unavailable
from madang_gateway.backends.memberships import Memberships
from madang_gateway.consume.message_changes import MessageChanges
from madang_gateway.fanout.broadcaster import Broadcaster
from madang_gateway.fanout.encoding import PositionedEvent
from madang_gateway.fanout.hub import Hub
from madang_gateway.messages.rules import CHANGES
from madang_gateway.metrics import Metrics
from madang_gateway.state.event_decoder import decode_line
from madang_gateway.state.idempotency_keys import (
    FirstEvent,
    IdempotencyKey,
    IdempotencyKeys,
    first_event,
)
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.state.recent_events import PositionedLine, RecentEvents
from madang_gateway.state.sent_lines import SentLines

log = structlog.get_logger()

_MESSAGE_KINDS = CHANGES | {MessageCreated.kind}
"""The kinds that change messages; a plain `message.created` changes none."""

EndMembership = Callable[[str, str], None]
"""Ends the subscriptions of a user (first) to a room (second)."""


class Dispatcher:
    """Applies each batch in one pass and in order, without an await.

    A duplicate (same audience, sender and key) is ignored, and so is an event that requires a
    membership after the end of its sender's. A former member receives the event that ends the
    membership, and nothing after it.
    """

    def __init__(
        self,
        *,
        recent_events: RecentEvents,
        idempotency_keys: IdempotencyKeys,
        sent_lines: SentLines,
        memberships: Memberships,
        message_changes: MessageChanges,
        pending_receipts: PendingReceipts,
        hub: Hub,
        broadcaster: Broadcaster,
        end_membership: EndMembership,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        self._recent_events = recent_events
        self._idempotency_keys = idempotency_keys
        self._sent_lines = sent_lines
        self._memberships = memberships
        self._message_changes = message_changes
        self._pending_receipts = pending_receipts
        self._hub = hub
        self._broadcaster = broadcaster
        self._end_membership = end_membership
        self._metrics = metrics
        self._clock = clock
        self._departures = Departures()

    def apply(self, shard: int, batch: Batch) -> None:
        """Apply the next batch of `shard`."""
        now = self._clock()
        self._idempotency_keys.age(now)
        subscribed, pending = self._hub.audiences, self._pending_receipts.keys
        applied: list[tuple[str, PositionedLine]] = []
        deliveries: dict[str, list[PositionedEvent]] = {}
        succeeded: list[tuple[IdempotencyKey, FirstEvent]] = []
        barred: list[IdempotencyKey] = []
        changes: list[tuple[int, Event]] = []
        departed = self._departures or None
        for at, line in enumerate(batch.lines, position(batch.offset, 0)):
            try:
                event, audience, key, digest = self._sent_lines.take(line) or decode_line(
                    line, subscribed
                )
            except ValueError:
                self._metrics.unreadable.inc()
                log.exception("event_unreadable", shard=shard, offset=batch.offset)
                continue
            first = self._idempotency_keys.get(key)
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
                first = first_event(at, digest)
                self._idempotency_keys.add(key, first)
                applied.append((audience, (at, line)))
                if event is not None:
                    if audience in subscribed:
                        deliveries.setdefault(audience, []).append(
                            PositionedEvent.at(at, event, line)
                        )
                    if event.kind != MessageCreated.kind or len(event.data) > 1:
                        self._note(at, event, deliveries, changes)
                        departed = self._departures or None
            if key in pending:
                succeeded.append((key, first))
        self._recent_events.add(shard, batch.offset, applied, now)
        self._message_changes.apply(changes)
        for audience, events in deliveries.items():
            self._broadcaster.events(audience, events)
        self._metrics.sends.inc(len(succeeded))
        self._complete(succeeded, barred)
        self._recent_events.trim(now)
        self._metrics.events.inc(len(batch.lines))
        self._metrics.tail_bytes.set(self._recent_events.bytes)

    def recall(self, batch: Batch) -> None:
        """Record the keys and the departures in a batch of an earlier epoch; deliver nothing."""
        for at, line in enumerate(batch.lines, position(batch.offset, 0)):
            try:
                event, audience, key, digest = decode_line(line, ())
            except ValueError:
                continue  # history reports it
            departed = self._departures
            if self._idempotency_keys.get(key) is not None or (
                departed.any_in(audience) and departed.exclude(event or read_line(line))
            ):
                continue
            self._idempotency_keys.add(key, first_event(at, digest))
            if event is not None and event.kind in MEMBERSHIP_CHANGES:
                departed.apply(event)

    def _note(
        self,
        at: int,
        event: Event,
        deliveries: dict[str, list[PositionedEvent]],
        changes: list[tuple[int, Event]],
    ) -> None:
        """Apply a change of a membership at once, and add one of a message to `changes`."""
        if event.kind in MEMBERSHIP_CHANGES:
            self._change_membership(event, deliveries.pop(event.audience, []))
        elif event.kind in _MESSAGE_KINDS:
            changes.append((at, event))

    def _complete(
        self,
        succeeded: list[tuple[IdempotencyKey, FirstEvent]],
        barred: list[IdempotencyKey],
    ) -> None:
        """Complete the pending receipts of this gateway's sends."""
        if succeeded:
            self._pending_receipts.succeed(succeeded)
        for key in barred:
            self._pending_receipts.fail(key, _membership_changed())

    def _change_membership(self, event: Event, deliveries: list[PositionedEvent]) -> None:
        """Send `deliveries`, which end with `event`, then apply `event`."""
        room = event.room or ""
        if deliveries:
            self._broadcaster.events(event.audience, deliveries)
        self._memberships.changed(room)
        self._departures.apply(event)
        if MEMBERSHIP_CHANGES[event.kind] is MembershipChange.ENDS:
            self._end_membership(str(event.data.get("user")), room)


def _membership_changed() -> Problem:
    """Return the refusal of a message after the end of its sender's membership.

    A retry succeeds if the sender is a member again.
    """
    reason = "Your membership changed while you sent this; send it again with the same key."
    return Unavailable(reason, retry_after_seconds=1)
