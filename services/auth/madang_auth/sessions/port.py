"""The sessions port: logins and the rotation of their refresh tokens.

Each method is one atomic step, for every process that uses the same store: what it reads has not
changed when it writes. An adapter that cannot lock reads the record, lets `rotation.decide` say
what to do, and writes on condition that the record is the same (WATCH, or a script, in Redis).

Any method raises `problems.Unavailable` when the store does not answer; the step may then have been
taken or not, and all of them may be taken again.
"""

from dataclasses import dataclass
from typing import Protocol

from madang_auth.sessions.refresh_tokens import Presented


@dataclass(frozen=True, slots=True)
class Login:
    """One login of a user, on one device."""

    id: str
    """`sid` of its access tokens."""
    user: str
    username: str
    name: str
    """Display name when the login was last refreshed."""
    device: str | None
    """What the client calls itself."""
    created_at: float
    last_used_at: float
    """When it was opened or last refreshed."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long logins and used tokens hold, all in seconds."""

    idle: float
    absolute: float
    grace: float
    told: float
    """How long an ended login can be read of; longer than any access token holds."""


KEEP_ENDINGS_SECONDS = 3600.0
"""How long `end_others` binds logins under way: far longer than one may take to open."""


@dataclass(frozen=True, slots=True)
class Successor:
    """What takes the place of a presented token."""

    secret: bytes
    """Hash of its secret."""
    nonce: bytes
    """What it was made with."""
    name: str | None = None
    """The user's display name now; None if that could not be asked."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The login is stored."""

    ended: tuple[Login, ...]
    """Other logins of the user that had to end because there were too many."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The successor is the login's token from now on."""

    login: Login


@dataclass(frozen=True, slots=True)
class Repeated:
    """The token was just used, and its successor not yet: the client may have it again."""

    login: Login
    nonce: bytes
    """What the successor was made with."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The token had been used before: the login is ended by this call."""

    login: Login


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such login, or not any more, or the token is not of its family."""


Rotation = Rotated | Repeated | Reused | Unknown


@dataclass(frozen=True, slots=True)
class Ended:
    """A login that ended before its time; or all of a user's that were opened before."""

    user: str
    login: str | None
    """None for all that had begun, one that the store may have lost included."""
    at: float
    keep: str | None = None
    """The one login that goes on when all others end."""


@dataclass(frozen=True, slots=True)
class EndedPage:
    """Logins that have ended, in the order in which they did."""

    items: tuple[Ended, ...]
    cursor: str
    """Where the next page begins; also good after a restart, and at another process."""


class Sessions(Protocol):
    """Open logins. One that is past a lifetime is as good as gone for every method."""

    async def open(
        self, login: Login, token: Presented, *, began_at: float, most: int
    ) -> Opened | None:
        """Store `login` with its first token; keep at most `most` of the user, this one included.

        Return None, with nothing stored, if the user's logins were ended by `end_others` at or
        after `began_at`, when the password was looked up.
        """
        ...

    async def rotate(self, presented: Presented, successor: Successor, *, now: float) -> Rotation:
        """Let `successor` take the place of `presented`, or not, as `rotation.decide` says."""
        ...

    async def get(self, login: str, *, now: float) -> Login | None:
        """Return the login if it is open."""
        ...

    async def owned_by(self, user: str, *, now: float) -> list[Login]:
        """Return the user's open logins, the one used last first."""
        ...

    async def end(self, login: str, *, user: str, now: float) -> Login | None:
        """End the user's login and return it, or None if the user has no such login."""
        ...

    async def end_presented(self, presented: Presented, *, now: float) -> Login | None:
        """End the login that a token, new or used, belongs to, and return it."""
        ...

    async def end_others(self, user: str, *, keep: str | None, now: float) -> list[Login]:
        """End all the user's logins but `keep`, those being opened too; return the ended."""
        ...

    async def ended_after(self, cursor: str | None, *, limit: int) -> EndedPage:
        """Return at most `limit` logins that ended after `cursor`; None: all there are.

        A cursor that is none of this store's counts as None.
        """
        ...

    async def sweep(self, *, now: float) -> int:
        """Forget what has expired and does not go by itself; return how many logins that were."""
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise Unavailable if not."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
