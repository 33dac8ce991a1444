"""Whether what was stored after a position is everything that was sent after it."""

from collections.abc import Iterable

from madang_common.log.position import position
from madang_history.store.port import Hole


def lost_after(after: int, holes: Iterable[Hole]) -> bool:
    """Return whether an event after position `after` may have been lost before it was stored."""
    return any(after < position(hole.after, 0) - 1 for hole in holes)


def beyond(after: int, end: int) -> bool:
    """Return whether a log that ends at offset `end` has never had position `after`."""
    return after >= position(end, 0)
