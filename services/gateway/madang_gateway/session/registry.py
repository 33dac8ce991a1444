"""Who is connected to this gateway."""

from typing import Generic, Protocol, TypeVar

from madang_common.token_bucket import Bucket, Buckets, Rate


class HasUser(Protocol):
    """A session whose user is known."""

    @property
    def user(self) -> str:
        """Id of its user."""
        ...


S = TypeVar("S", bound=HasUser)


_BUCKETS = 50_000
"""SessionRegistry whose allowance is remembered when they are not connected, or never were."""


class SessionRegistry(Generic[S]):
    """Sessions by user, and each user's allowance of sends, shared by all their sessions.

    The allowance outlives the sessions: to connect anew, or to send over REST, gives no new one.
    """

    def __init__(self, rate: Rate) -> None:
        self._sessions: dict[str, set[S]] = {}
        self._buckets = Buckets(rate, capacity=_BUCKETS)

    def add(self, session: S) -> None:
        """Count `session` in."""
        self._sessions.setdefault(session.user, set()).add(session)

    def remove(self, session: S) -> None:
        """Count `session` out."""
        found = self._sessions.get(session.user)
        if found is not None:
            found.discard(session)
            if not found:
                del self._sessions[session.user]

    def sessions(self, user: str) -> tuple[S, ...]:
        """Return the sessions of `user`, in a copy that may be changed meanwhile."""
        return tuple(self._sessions.get(user, ()))

    def bucket(self, user: str) -> Bucket:
        """Return the allowance of `user`."""
        return self._buckets.of(user)

    def __len__(self) -> int:
        return len(self._sessions)
