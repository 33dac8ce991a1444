"""Positions of events: `offset << 12 | line`, written as 12 base32hex digits that sort as text."""

from functools import lru_cache
from zlib import crc32

from madang_common import base32hex

LINE_BITS = 12
MAX_LINES = 1 << LINE_BITS
"""Most events of one batch, and so of one offset."""
WIDTH = 12
ID_PATTERN = r"[0-9a-v]{12}"
"""Pattern of an event id."""


def position(offset: int, line: int) -> int:
    """Return the position of line `line` of the batch at `offset`."""
    return offset << LINE_BITS | line


def offset_of(position: int) -> int:
    """Return the offset of the batch that holds `position`."""
    return position >> LINE_BITS


def to_id(position: int) -> str:
    """Return `position` as the event id that clients see."""
    return _prefix(position >> 10) + base32hex.PAIRS[position & 1023]


@lru_cache(maxsize=16)
def _prefix(high: int) -> str:
    """Return all but the last two digits of an id; consecutive ids share them."""
    return base32hex.encode(high, WIDTH - 2)


def from_id(text: str) -> int:
    """Return the position that an event id stands for; raise ValueError if it is malformed."""
    if len(text) != WIDTH:
        raise ValueError(f"not an event id: {text[:32]!r}")
    return base32hex.decode(text)


def shard_of(audience: str, shards: int) -> int:
    """Return the shard that carries every event of `audience`."""
    return crc32(audience.encode()) % shards
