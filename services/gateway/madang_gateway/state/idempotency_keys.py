"""Idempotency keys of recent events, which identify duplicates."""

from collections.abc import Mapping
from typing import Any, NewType

import orjson

from madang_common.events.message_kinds import MessageCreated

IdempotencyKey = NewType("IdempotencyKey", str)
"""Audience, sender and the sender's key in one str, which the garbage collector does not track."""

FirstEvent = NewType("FirstEvent", int)
"""Position and digest of the first event with a key, in one int, which is not tracked either."""

_DIGEST_BITS = 64
_DIGEST = (1 << _DIGEST_BITS) - 1


def first_event(position: int, digest: int) -> FirstEvent:
    """Return the first event with a key, by its position and the digest of its data."""
    return FirstEvent(position << _DIGEST_BITS | digest)


def position_and_digest(first: FirstEvent) -> tuple[int, int]:
    """Return the arguments of `first_event`."""
    return first >> _DIGEST_BITS, first & _DIGEST


def idempotency_key(audience: str, sender: str, key: str) -> IdempotencyKey:
    """Return the idempotency key of an event; audience and sender are ids, without spaces."""
    return IdempotencyKey(f"{audience} {sender} {key}")


def digest(kind: str, data: Mapping[str, Any]) -> int:
    """Return a 64-bit hash of an event's kind and data, comparable within this process only."""
    if kind == MessageCreated.kind and len(data) == 1:
        # Fast path: the data of most messages is one text.
        text = data.get("text")
        if type(text) is str:
            return digest_of_text(text)
    return hash((kind, orjson.dumps(data, option=orjson.OPT_SORT_KEYS))) & _DIGEST


def digest_of_text(text: str) -> int:
    """Return the digest of a `message.created` whose data is `text` alone."""
    return hash(text) & _DIGEST


class IdempotencyKeys:
    """The first event of each key, kept for at least `seconds` or the last `count` keys.

    Keys are kept in two generations. When the younger one is `seconds` old or has `count` keys, it
    becomes the older one and the previous older one is dropped; keys are never scanned for age.
    """

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds = seconds
        self._count = count
        self._younger: dict[IdempotencyKey, FirstEvent] = {}
        self._older: dict[IdempotencyKey, FirstEvent] = {}
        self._since: float | None = None

    def get(self, key: IdempotencyKey) -> FirstEvent | None:
        """Return the first event with `key`, or None if there is none or it was dropped."""
        return self._younger.get(key) or self._older.get(key)

    def add(self, key: IdempotencyKey, first: FirstEvent) -> None:
        """Add the first event with `key`."""
        self._younger[key] = first

    def age(self, now: float) -> None:
        """Drop keys that have expired at `now`, in seconds on a monotonic clock."""
        if self._since is None:
            self._since = now
        if now - self._since >= self._seconds or len(self._younger) >= self._count:
            self._older, self._younger = self._younger, {}
            self._since = now
