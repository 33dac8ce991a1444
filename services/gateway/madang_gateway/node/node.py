"""The node: all connections of this process, and operations on several of them at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from madang_common.clock import MonotonicClock
from madang_common.tokens.verifier import session_ended
from madang_gateway.limits.budget import Budget
from madang_gateway.node.state import NodeState
from madang_gateway.node.write_scheduler import WriteScheduler
from madang_gateway.session import disconnects
from madang_gateway.session.context import SessionContext
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.upgrade.admission import Admission
from madang_gateway.upgrade.handshake import Handshake

_TICK_SECONDS = 1.0
_TICKS_PER_HEARTBEAT = 4
_PARTS = 10
_ALL_SESSIONS = "*"
"""Stands for all sessions of a user in `login.ended`."""


class NodeConnection(Protocol):
    """A connection, as the node uses it."""

    def tick(self, now: float) -> None:
        """Do what is due at `now`, in seconds on the event loop's clock."""
        ...

    def disconnect(self, why: Disconnect) -> None:
        """Send the client the reason, and close."""
        ...

    def disconnect_when_done(self, why: Disconnect) -> None:
        """Read no more; disconnect once everything received is answered."""
        ...


@dataclass(slots=True, eq=False)
class Node:
    """One gateway process."""

    context: SessionContext
    state: NodeState
    write_scheduler: WriteScheduler
    budget: Budget
    clock: MonotonicClock
    connections: set[NodeConnection] = field(default_factory=set)
    admission: Admission = field(init=False)
    handshake: Handshake = field(init=False)

    def __post_init__(self) -> None:
        """Create the admission and the handshake of new connections."""
        context = self.context
        settings = context.settings
        self.admission = Admission(settings, context.verifier, context.registry, self.budget)
        self.handshake = Handshake(
            max_size=settings.frame_bytes, deflate=settings.permessage_deflate
        )

    @property
    def tick_seconds(self) -> float:
        """Seconds between two ticks of a connection, a fraction of the fastest heartbeat."""
        return min(_TICK_SECONDS, self.context.settings.heartbeat_seconds / _TICKS_PER_HEARTBEAT)

    def end_membership(self, user: str, room: str) -> None:
        """End the subscriptions of `user` to `room`, and their presence there without delay."""
        for session in self.context.registry.sessions(user):
            session.leave_room(room)
        self.state.local_presence.expel(room, user)

    def revoke_session(self, user: str, session_id: str) -> None:
        """Refuse the tokens of a session (`sid`) from now on, and close its connections."""
        self.context.verifier.revoke_session(session_id)
        for session in self.context.registry.sessions(user):
            if session_id in {_ALL_SESSIONS, session.claims.session}:
                session.disconnect(disconnects.SESSION_REVOKED, session_ended())

    def close_revoked(self, user: str) -> None:
        """Close the connections of `user` whose tokens belong to a revoked session."""
        for session in self.context.registry.sessions(user):
            if not self.context.verifier.is_active(session.claims):
                session.disconnect(disconnects.SESSION_REVOKED, session_ended())

    def start_over(self) -> None:
        """Drop cached memberships and messages; close all connections, which reconnect and recover.

        For a gap in the log: the lost events may have changed anything.
        """
        self.context.metrics.log_gaps.inc()
        self.state.memberships.clear()
        self.state.message_states.clear()
        self.state.recent_events.note_gap(self.clock())
        for connection in tuple(self.connections):
            connection.disconnect(disconnects.UNAVAILABLE)

    async def tick_forever(self) -> None:
        """Tick every connection, and expire pending receipts, for as long as the gateway runs.

        One tenth of the connections at a time: a tick of ten thousand would delay their output.
        """
        while True:
            connections = tuple(self.connections)
            for part in range(_PARTS):
                await asyncio.sleep(self.tick_seconds / _PARTS)
                self._tick(connections[part::_PARTS])

    def _tick(self, connections: Iterable[NodeConnection]) -> None:
        now = asyncio.get_running_loop().time()
        self.state.pending_receipts.expire()
        for connection in connections:
            connection.tick(now)
