"""Whether the stored events after a position are complete."""

from collections.abc import Iterable

from madang_common.log.position import position
from madang_history.store.port import Gap


def has_gap_after(after: int, gaps: Iterable[Gap]) -> bool:
    """Return whether a gap may contain events after position `after`."""
    return any(after < position(gap.after, 0) - 1 for gap in gaps)


def is_beyond_end(after: int, end: int) -> bool:
    """Return whether position `after` is beyond a log that ends at offset `end`."""
    return after >= position(end, 0)
