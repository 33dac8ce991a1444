"""One gateway process: its connections, and what happens to several of them at once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from madang_common.problems import Unauthenticated
from madang_gateway.limits.budget import Budget
from madang_gateway.node.write_scheduler import WriteScheduler
from madang_gateway.session import disconnects
from madang_gateway.session.context import SessionContext
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.upgrade.admission import Admission
from madang_gateway.upgrade.handshake import Handshake

_TICK_SECONDS = 1.0
_TICKS_PER_HEARTBEAT = 4
_PARTS = 10
ALL_LOGINS = "*"


class Ticking(Protocol):
    """A connection, as far as time is concerned."""

    def tick(self, now: float) -> None:
        """Do what is due at `now`, seconds on the event loop's clock."""
        ...

    def disconnect(self, why: Disconnect) -> None:
        """Tell the client why, and close."""
        ...

    def disconnect_when_done(self, why: Disconnect) -> None:
        """Read no more; disconnect once everything received is answered."""
        ...


@dataclass(slots=True, eq=False)
class Node:
    """What the connections of this process share."""

    shared: SessionContext
    flusher: WriteScheduler
    receipts: PendingReceipts
    budget: Budget
    connections: set[Ticking] = field(default_factory=set)
    admission: Admission = field(init=False)
    handshake: Handshake = field(init=False)

    def __post_init__(self) -> None:
        """Admit connections as the settings say."""
        shared = self.shared
        settings = shared.settings
        self.admission = Admission(settings, shared.verifier, shared.registry, self.budget)
        self.handshake = Handshake(
            max_size=settings.frame_bytes, deflate=settings.permessage_deflate
        )

    @property
    def tick_seconds(self) -> float:
        """How often it is looked for what is due; often enough for the fastest heart-beat."""
        return min(_TICK_SECONDS, self.shared.settings.heartbeat_seconds / _TICKS_PER_HEARTBEAT)

    def leave_room(self, user: str, room: str) -> None:
        """End the subscriptions of `user` to `room`."""
        for session in self.shared.registry.sessions(user):
            session.leave_room(room)

    def end_login(self, user: str, login: str) -> None:
        """Close the connections of a login that was ended, and let its tokens open no others."""
        self.shared.verifier.revoke_session(login)
        for session in self.shared.registry.sessions(user):
            if login in {ALL_LOGINS, session.claims.login}:
                session.disconnect(disconnects.LOGIN_ENDED, _login_ended())

    def check_logins(self, user: str) -> None:
        """Close the connections of `user` whose login was ended."""
        for session in self.shared.registry.sessions(user):
            if not self.shared.verifier.is_active(session.claims):
                session.disconnect(disconnects.LOGIN_ENDED, _login_ended())

    def disconnect_all(self) -> None:
        """Make everyone come back and resume: something may have been missed here."""
        for connection in tuple(self.connections):
            connection.disconnect(disconnects.UNAVAILABLE)

    async def keep_time(self) -> None:
        """Do what is due for as long as the gateway runs; one part of the connections at a time.

        To look after ten thousand at once would keep what was sent meanwhile waiting.
        """
        while True:
            everyone = tuple(self.connections)
            for part in range(_PARTS):
                await asyncio.sleep(self.tick_seconds / _PARTS)
                self._tick(everyone[part::_PARTS])

    def _tick(self, connections: Iterable[Ticking]) -> None:
        now = asyncio.get_running_loop().time()
        self.receipts.expire(now)
        for connection in connections:
            connection.tick(now)


def _login_ended() -> Unauthenticated:
    return Unauthenticated("This login was ended. Log in again.")
