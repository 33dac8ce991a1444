"""Identifiers of users, rooms, sessions and events."""

import itertools
import os
import secrets
import time

from madang_common import base32hex

ROOM_ID = r"[A-Za-z0-9_-]{1,64}"
"""Pattern of room ids in paths and destinations."""
_RANDOM_BITS = 72


def new_id() -> str:
    """Return 24 base32hex digits: 48 bits of milliseconds, then 72 random bits.

    The leading time keeps new rows of a clustered index together; the random part makes the id
    unguessable.
    """
    stamp = time.time_ns() // 1_000_000
    return base32hex.encode(stamp << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS), 24)


class _Sequence:
    """Ids of this process: its own prefix, and a number."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.prefix = new_id()
        self.numbers = itertools.count()


_sequence = _Sequence()
# A forked process would go on with its parent's ids.
os.register_at_fork(after_in_child=_sequence.begin)


def next_id() -> str:
    """Return a unique id that is cheap to make, but guessable."""
    return f"{_sequence.prefix}{next(_sequence.numbers):x}"
