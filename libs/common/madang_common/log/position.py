"""Positions of events: `offset << 12 | line`, written as 12 base32hex digits that sort as text.

```
 position (60 bits)
+---------------+--------------------------------+-----------+
| epoch, 8 bits | offset in the stream, 40 bits  | line, 12  |
+---------------+--------------------------------+-----------+
 offset (48 bits)
```

So offsets and positions ascend across epochs, and those of epoch 0 are offsets in the stream.
"""

from functools import lru_cache
from zlib import crc32

from madang_common import base32hex

LINE_BITS = 12
MAX_LINES = 1 << LINE_BITS
"""Most events of one batch, and so of one offset."""
OFFSET_BITS = 40
EPOCH_BITS = 8
MAX_EPOCH = (1 << EPOCH_BITS) - 1
"""The last epoch that a position can express."""
WIDTH = 12
ID_PATTERN = r"[0-9a-v]{12}"
"""Pattern of an event id."""


def position(offset: int, line: int) -> int:
    """Return the position of line `line` of the batch at `offset`."""
    return offset << LINE_BITS | line


def offset_of(position: int) -> int:
    """Return the offset of the batch that holds `position`."""
    return position >> LINE_BITS


def first_offset(epoch: int) -> int:
    """Return the first offset of `epoch`."""
    return epoch << OFFSET_BITS


def epoch_of(offset: int) -> int:
    """Return the epoch of the batch at `offset`."""
    return offset >> OFFSET_BITS


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
