"""The rotation rule of refresh tokens, without a store."""

from dataclasses import dataclass, replace
from hmac import compare_digest

from madang_auth.sessions.port import (
    Lifetimes,
    Repeated,
    Reused,
    Rotated,
    Rotation,
    Session,
    Successor,
    Unknown,
)
from madang_auth.sessions.refresh_tokens import TokenHashes


@dataclass(frozen=True, slots=True)
class Record:
    """A session as it is stored."""

    session: Session
    family: bytes
    current: bytes
    """Hash of the current token's secret."""
    expires_at: float
    """When the session expires unless it is refreshed."""
    previous: bytes | None = None
    """Hash of the secret that `current` replaced at `session.last_used_at`."""
    nonce: bytes | None = None
    """The nonce that `current` was derived with."""


def new_record(session: Session, token: TokenHashes, lifetimes: Lifetimes) -> Record:
    """Return the record of a new session."""
    expires_at = _expiry(session.created_at, session.created_at, lifetimes)
    return Record(session, token.family, token.secret, expires_at)


def decide(
    record: Record | None,
    presented: TokenHashes,
    successor: Successor,
    *,
    now: float,
    lifetimes: Lifetimes,
) -> tuple[Rotation, Record | None]:
    """Return the result, and the record to store in place of `record`; None deletes it.

    - The current token rotates.
    - The previous token gives the same successor again, within the grace after the rotation and
      until the successor is used.
    - Any other token of the family was used before: the session ends.
    """
    if record is None or record.expires_at <= now:
        return Unknown(), None
    if not compare_digest(record.family, presented.family):
        return Unknown(), record
    if compare_digest(record.current, presented.secret):
        name = successor.name or record.session.name
        session = replace(record.session, last_used_at=now, name=name)
        return Rotated(session), Record(
            session,
            family=record.family,
            current=successor.secret,
            expires_at=_expiry(session.created_at, now, lifetimes),
            previous=presented.secret,
            nonce=successor.nonce,
        )
    if (
        record.previous is not None
        and record.nonce is not None
        and compare_digest(record.previous, presented.secret)
        and now - record.session.last_used_at <= lifetimes.grace
    ):
        return Repeated(record.session, record.nonce), record
    return Reused(record.session), None


def _expiry(created_at: float, used_at: float, lifetimes: Lifetimes) -> float:
    return min(used_at + lifetimes.idle, created_at + lifetimes.absolute)
