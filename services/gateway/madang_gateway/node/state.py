"""The in-memory state of a node."""

from dataclasses import dataclass
from typing import Self

from madang_common.clock import MonotonicClock
from madang_gateway.backends.memberships import FetchAccess, Memberships
from madang_gateway.fanout.hub import Hub
from madang_gateway.messages.states import MessageStates
from madang_gateway.metrics import Metrics
from madang_gateway.presence.local import LocalPresence
from madang_gateway.session.registry import SessionRegistry
from madang_gateway.settings import GatewaySettings
from madang_gateway.state.idempotency_keys import IdempotencyKeys
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.state.recent_events import RecentEvents
from madang_gateway.state.sent_lines import SentLines


@dataclass(frozen=True, slots=True)
class NodeState:
    """Everything that a node keeps in memory; rebuilt on start."""

    hub: Hub
    recent_events: RecentEvents
    idempotency_keys: IdempotencyKeys
    sent_lines: SentLines
    pending_receipts: PendingReceipts
    memberships: Memberships
    message_states: MessageStates
    registry: SessionRegistry
    local_presence: LocalPresence

    @classmethod
    def create(
        cls,
        settings: GatewaySettings,
        *,
        shards: int,
        fetch_access: FetchAccess,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> Self:
        """Return the empty state of a node on a log with `shards`."""
        recent_events = RecentEvents(
            shards, limit_bytes=settings.tail_bytes, limit_seconds=settings.tail_seconds
        )
        metrics.tail_reach_seconds.set_function(lambda: recent_events.reach_seconds(clock()))
        message_states = MessageStates(settings.message_state_bytes)
        metrics.message_state_bytes.set_function(lambda: message_states.bytes)
        observe = metrics.receipt_seconds.observe
        return cls(
            hub=Hub(),
            recent_events=recent_events,
            idempotency_keys=IdempotencyKeys(settings.key_seconds, settings.key_count),
            sent_lines=SentLines(),
            pending_receipts=PendingReceipts(settings.receipt_seconds, observe, clock),
            memberships=Memberships(fetch_access, rooms=settings.memberships_cached),
            message_states=message_states,
            registry=SessionRegistry(settings.send_rate),
            local_presence=LocalPresence(settings.presence_grace_seconds, clock),
        )
