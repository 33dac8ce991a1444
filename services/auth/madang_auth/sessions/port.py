"""The port of the session store: sessions and the rotation of their refresh tokens.

Each method is one atomic step for all processes on the same store: the values that it read are
unchanged when it writes. An adapter without locks reads the record, calls `rotation.decide`, and
writes on the condition that the record is unchanged (a script, in Redis).

Every method raises `problems.Unavailable` if the store does not answer. The step may or may not
have been applied then; each may be repeated.
"""

from dataclasses import dataclass
from typing import Protocol

from madang_auth.sessions.refresh_tokens import TokenHashes


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a user, on one device."""

    id: str
    """The claim `sid` of its access tokens."""
    user: str
    username: str
    name: str
    """Display name at the last refresh."""
    device: str | None
    """The client's name for the device."""
    created_at: float
    last_used_at: float
    """When it was opened or last refreshed."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Lifetimes of sessions and used tokens, all in seconds."""

    idle: float
    absolute: float
    grace: float
    ended_kept: float
    """How long ended sessions can be read; longer than the lifetime of an access token."""


CUTOFF_KEPT_SECONDS = 3600.0
"""How long `end_others` refuses logins that began before it; far longer than a login takes."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The replacement of a presented token."""

    secret: bytes
    """Hash of its secret."""
    nonce: bytes
    """The nonce that it was derived with."""
    name: str | None = None
    """The user's current display name; None if it is unknown."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is stored."""

    ended: tuple[Session, ...]
    """The user's sessions above the limit, which this call ended."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The successor is the session's current token."""

    session: Session


@dataclass(frozen=True, slots=True)
class Repeated:
    """The token was used within the grace and its successor was not: the client gets it again."""

    session: Session
    nonce: bytes
    """The nonce that the successor was derived with."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The token had been used before; this call ended the session."""

    session: Session


@dataclass(frozen=True, slots=True)
class Unknown:
    """The session does not exist or has ended, or the token is of another family."""


Rotation = Rotated | Repeated | Reused | Unknown


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was ended before it expired, or all sessions that a user had."""

    user: str
    session: str | None
    """None for all sessions opened before `at`, even if the store lost them."""
    at: float
    keep: str | None = None
    """The session that stays open when all others end."""


@dataclass(frozen=True, slots=True)
class EndedPage:
    """A page of ended sessions, in the order in which they ended."""

    items: tuple[EndedSession, ...]
    cursor: str
    """Start of the next page; valid after a restart and in other processes."""


class SessionStore(Protocol):
    """Stores open sessions; every method ignores an expired one."""

    async def open(
        self, session: Session, token: TokenHashes, *, began_at: float, most: int
    ) -> Opened | None:
        """Store `session` with its first token; keep at most `most` of the user, it included.

        Return None and store nothing if `end_others` ran for the user at or after `began_at`, the
        start of the login.
        """
        ...

    async def rotate(self, presented: TokenHashes, successor: Successor, *, now: float) -> Rotation:
        """Replace `presented` by `successor` if `rotation.decide` allows it."""
        ...

    async def get(self, session: str, *, now: float) -> Session | None:
        """Return the session if it is open."""
        ...

    async def list_of_user(self, user: str, *, now: float) -> list[Session]:
        """Return the user's open sessions, the last used first."""
        ...

    async def end(self, session: str, *, user: str, now: float) -> Session | None:
        """End the user's session and return it; None if the user has no such session."""
        ...

    async def end_by_token(self, token: TokenHashes, *, now: float) -> Session | None:
        """End the session of a current or used token, and return it."""
        ...

    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Session]:
        """End all of the user's sessions but `keep`, and refuse logins in progress.

        Return the ended sessions.
        """
        ...

    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        """Return at most `limit` sessions that ended after `cursor`; None starts at the oldest.

        An unknown cursor is read as None.
        """
        ...

    async def delete_expired(self, *, now: float) -> int:
        """Delete expired records, unless the store does so itself; return how many sessions."""
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise Unavailable if not."""
        ...

    async def close(self) -> None:
        """Close the store."""
        ...
