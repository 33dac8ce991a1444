"""What becomes of a presented refresh token: the whole rule, without a store."""

from dataclasses import dataclass, replace
from hmac import compare_digest

from madang_auth.sessions.port import (
    Lifetimes,
    Login,
    Repeated,
    Reused,
    Rotated,
    Rotation,
    Successor,
    Unknown,
)
from madang_auth.sessions.refresh_tokens import Presented


@dataclass(frozen=True, slots=True)
class Record:
    """A login as it is stored."""

    login: Login
    family: bytes
    current: bytes
    """Hash of the only secret that rotates."""
    expires_at: float
    """When it ends unless it is refreshed before."""
    previous: bytes | None = None
    """Hash of the secret that `current` took the place of, at `login.last_used_at`."""
    nonce: bytes | None = None
    """What `current` was made with."""


def begin(login: Login, token: Presented, lifetimes: Lifetimes) -> Record:
    """Return the record of a new login."""
    expires_at = _expiry(login.created_at, login.created_at, lifetimes)
    return Record(login, token.family, token.secret, expires_at)


def decide(
    record: Record | None,
    presented: Presented,
    successor: Successor,
    *,
    now: float,
    lifetimes: Lifetimes,
) -> tuple[Rotation, Record | None]:
    """Return the answer and the record to store in place of `record`; None: the login is gone.

    - The current token rotates.
    - The one before it, within the grace and as long as its successor was not used: the same
      successor again. The grace is counted from the rotation and is not prolonged.
    - Any other token of the family was used before: the login ends.
    """
    if record is None or record.expires_at <= now:
        return Unknown(), None
    if not compare_digest(record.family, presented.family):
        return Unknown(), record
    if compare_digest(record.current, presented.secret):
        name = successor.name or record.login.name
        login = replace(record.login, last_used_at=now, name=name)
        return Rotated(login), Record(
            login,
            family=record.family,
            current=successor.secret,
            expires_at=_expiry(login.created_at, now, lifetimes),
            previous=presented.secret,
            nonce=successor.nonce,
        )
    if (
        record.previous is not None
        and record.nonce is not None
        and compare_digest(record.previous, presented.secret)
        and now - record.login.last_used_at <= lifetimes.grace
    ):
        return Repeated(record.login, record.nonce), record
    return Reused(record.login), None


def _expiry(created_at: float, used_at: float, lifetimes: Lifetimes) -> float:
    return min(used_at + lifetimes.idle, created_at + lifetimes.absolute)
