"""Opaque identifiers for users, rooms, logins and keys."""

import itertools
import secrets
import time

from madang_common import base32hex

ROOM_ID = r"[A-Za-z0-9_-]{1,64}"
"""Pattern of the ids that may name a room in a path or a destination."""
_RANDOM_BITS = 72


def new_id() -> str:
    """Return 24 base32hex digits: 48 bits of milliseconds, then 72 random bits.

    The time in front keeps new rows of a clustered index together; the random part makes an id
    that nobody can guess.
    """
    stamp = time.time_ns() // 1_000_000
    return base32hex.encode(stamp << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS), 24)


_PROCESS = new_id()
_numbers = itertools.count()


def next_id() -> str:
    """Return an id that is unique, but no secret, and cheap."""
    return f"{_PROCESS}{next(_numbers):x}"
