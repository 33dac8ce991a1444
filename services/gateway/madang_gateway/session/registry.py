"""Sessions of this gateway by user, and the send rate of each user."""

from typing import Protocol

from madang_common.problems import Problem
from madang_common.token_bucket import Bucket, Buckets, Rate
from madang_common.tokens.claims import Claims
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.session.disconnects import Disconnect

_BUCKETS = 50_000
"""Users whose token bucket is cached while they have no session."""


class RegisteredSession(Protocol):
    """A session after CONNECT."""

    @property
    def user(self) -> str:
        """Id of its user."""
        ...

    @property
    def claims(self) -> Claims:
        """The claims of its user."""
        ...

    def disconnect(self, why: Disconnect, error: Problem | ProtocolError | None = None) -> None:
        """Send the client the reason, with an ERROR frame if `error` is given, and close."""
        ...

    def leave_room(self, room: str) -> None:
        """End the subscriptions to `room`."""
        ...


class SessionRegistry:
    """Sessions by user, and each user's token bucket for sends, shared by all their sessions.

    The bucket outlives the sessions: neither reconnecting nor sending over REST refills it.
    """

    def __init__(self, rate: Rate) -> None:
        self._sessions: dict[str, set[RegisteredSession]] = {}
        self._buckets = Buckets(rate, capacity=_BUCKETS)

    def add(self, session: RegisteredSession) -> None:
        """Add `session`."""
        self._sessions.setdefault(session.user, set()).add(session)

    def remove(self, session: RegisteredSession) -> None:
        """Remove `session` if it is there."""
        found = self._sessions.get(session.user)
        if found is not None:
            found.discard(session)
            if not found:
                del self._sessions[session.user]

    def sessions(self, user: str) -> tuple[RegisteredSession, ...]:
        """Return a copy of the sessions of `user`."""
        return tuple(self._sessions.get(user, ()))

    def bucket(self, user: str) -> Bucket:
        """Return the token bucket of `user`."""
        return self._buckets.of(user)

    def __len__(self) -> int:
        return len(self._sessions)
