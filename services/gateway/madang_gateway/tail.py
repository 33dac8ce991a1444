"""The newest events of every shard in memory, from which most clients resume."""

from collections import deque
from typing import NamedTuple

from madang_common.log.position import position


class Kept(NamedTuple):
    """One event of the tail, as it stands in the log."""

    position: int
    line: bytes


class _Oldest(NamedTuple):
    audience: str
    shard: int
    position: int
    size: int
    at: float


class Tail:
    """Events by audience, dropped oldest first when they are too many bytes or too old.

    For each shard, `reach` is the position from which on nothing is missing here, and `end` the
    one before which everything has been seen.
    """

    def __init__(self, shards: int, *, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._events: dict[str, deque[Kept]] = {}
        self._order: deque[_Oldest] = deque()
        self.bytes = 0
        self.dropped_at: float | None = None
        """When the newest of those events came that are no longer here; None if all are."""
        self.reach: list[int | None] = [None] * shards
        self.end: list[int] = [0] * shards

    def begin(self, shard: int, offset: int) -> None:
        """Say that everything from `offset` on will be added, and nothing before it."""
        self.reach[shard] = position(offset, 0)
        self.end[shard] = max(self.end[shard], position(offset, 0))

    def add(self, shard: int, audience: str, kept: Kept, now: float) -> None:
        """Add the next event of `shard`."""
        events = self._events.get(audience)
        if events is None:
            events = self._events[audience] = deque()
        events.append(kept)
        size = len(kept.line)
        self.bytes += size
        self._order.append(_Oldest(audience, shard, kept.position, size, now))

    def passed(self, shard: int, offset: int) -> None:
        """Say that the batch at `offset` has been added whole."""
        self.end[shard] = position(offset + 1, 0)

    def trim(self, now: float) -> None:
        """Drop what is too much or too old at `now`."""
        order = self._order
        while order and (self.bytes > self._limit_bytes or now - order[0].at > self._limit_seconds):
            oldest = order.popleft()
            self.dropped_at = oldest.at
            events = self._events[oldest.audience]
            events.popleft()
            if not events:
                del self._events[oldest.audience]
            self.bytes -= oldest.size
            # What is from before a gap does not make the tail reach over it again.
            reach = self.reach[oldest.shard] or 0
            self.reach[oldest.shard] = max(reach, oldest.position + 1)

    def reaches(self, shard: int, since: int) -> bool:
        """Tell whether nothing after `since` is missing here."""
        reach = self.reach[shard]
        return reach is not None and since + 1 >= reach

    def after(self, audience: str, since: int) -> list[Kept]:
        """Return the events of `audience` after position `since`, oldest first."""
        found: list[Kept] = []
        for kept in reversed(self._events.get(audience, ())):
            if kept.position <= since:
                break
            found.append(kept)
        found.reverse()
        return found

    def find(self, audience: str, at: int) -> Kept | None:
        """Return the event of `audience` at that position, if it is still here."""
        found = self.after(audience, at - 1)
        return found[0] if found and found[0].position == at else None
