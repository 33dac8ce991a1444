"""The keys of recent events: how a second copy of an event is told from the first."""

from collections.abc import Mapping
from typing import Any, NewType

import orjson

Key = NewType("Key", str)
"""Audience, sender and the sender's key in one: text is nothing to the garbage collector."""

First = NewType("First", int)
"""Position and digest of the first event that had a key, in one number for the same reason."""

_DIGEST_BITS = 64
_DIGEST = (1 << _DIGEST_BITS) - 1


def first_of(position: int, digest: int) -> First:
    """Return that the event with this position and digest was the first."""
    return First(position << _DIGEST_BITS | digest)


def position_and_digest(first: First) -> tuple[int, int]:
    """Return what `first_of` was given."""
    return first >> _DIGEST_BITS, first & _DIGEST


def key_of(audience: str, sender: str, key: str) -> Key:
    """Return the key of an event; an audience and a sender are ids, without spaces."""
    return Key(f"{audience} {sender} {key}")


def digest(data: Mapping[str, Any]) -> int:
    """Return a number that stands for `data`, within this process."""
    if len(data) == 1:
        # Nearly all of them: a message is its text.
        ((name, value),) = data.items()
        if type(value) is str:
            return digest_of_text(name, value)
    return hash(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)) & _DIGEST


def digest_of_text(name: str, text: str) -> int:
    """Return the digest of data that is one text with one name."""
    return hash((name, text)) & _DIGEST


class IdempotencyKeys:
    """Remembers each key's first event for at least `seconds`, unless more than `count` come.

    Two generations: when the younger is old or full it becomes the elder, and the elder is
    forgotten. So nothing is ever searched for what is old.
    """

    def __init__(self, seconds: float, count: int) -> None:
        self._seconds = seconds
        self._count = count
        self._young: dict[Key, First] = {}
        self._old: dict[Key, First] = {}
        self._since: float | None = None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: Key) -> First | None:
        """Return the first event with `key`, if it is remembered."""
        return self._young.get(key) or self._old.get(key)

    def add(self, key: Key, first: First) -> None:
        """Remember the first event with `key`."""
        self._young[key] = first

    def age(self, now: float) -> None:
        """Forget what may be forgotten at `now` (seconds on any steady clock)."""
        if self._since is None:
            self._since = now
        if now - self._since >= self._seconds or len(self._young) >= self._count:
            self._old, self._young = self._young, {}
            self._since = now
