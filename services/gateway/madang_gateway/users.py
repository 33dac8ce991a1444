"""Who is connected to this gateway."""

from typing import Generic, Protocol, TypeVar

from madang_gateway.rate import Bucket, Rate


class HasUser(Protocol):
    """A session whose user is known."""

    @property
    def user(self) -> str:
        """Id of its user."""
        ...


S = TypeVar("S", bound=HasUser)


class _User(Generic[S]):
    def __init__(self, bucket: Bucket) -> None:
        self.sessions: set[S] = set()
        self.bucket = bucket


class Users(Generic[S]):
    """Sessions by user, and each user's allowance of sends, shared by all their sessions."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._users: dict[str, _User[S]] = {}

    def add(self, session: S) -> None:
        """Count `session` in."""
        found = self._users.get(session.user)
        if found is None:
            found = self._users[session.user] = _User(self._rate.bucket())
        found.sessions.add(session)

    def remove(self, session: S) -> None:
        """Count `session` out."""
        found = self._users.get(session.user)
        if found is not None:
            found.sessions.discard(session)
            if not found.sessions:
                del self._users[session.user]

    def sessions(self, user: str) -> tuple[S, ...]:
        """Return the sessions of `user`, in a copy that may be changed meanwhile."""
        found = self._users.get(user)
        return tuple(found.sessions) if found else ()

    def bucket(self, user: str) -> Bucket:
        """Return the allowance of `user`; one that is not connected gets a fresh one."""
        found = self._users.get(user)
        return found.bucket if found else self._rate.bucket()

    def __len__(self) -> int:
        return len(self._users)
