"""The newest events of every shard in memory, from which most clients resume."""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from madang_common.log.position import position

Kept: TypeAlias = tuple[int, bytes]
"""An event's position and its line."""


_DROPPED = 32
"""Dropped events after which the lists are compacted."""


class _Batch(NamedTuple):
    shard: int
    last: int
    """Position of its last event."""
    audiences: list[str]
    """Whose events it brought, in order."""
    size: int
    at: float


class _Events:
    """The events of one audience, oldest first."""

    # Two lists, so that a position is found by bisection; ints and bytes are not tracked by the
    # garbage collector.
    __slots__ = ("_first", "lines", "positions")

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.lines: list[bytes] = []
        self._first = 0
        """Where the oldest event stands that was not dropped."""

    def drop(self) -> bool:
        """Drop the oldest event; return whether there are others."""
        first = self._first
        self.lines[first] = b""
        self._first = first = first + 1
        if first == len(self.lines):
            return False
        if first >= _DROPPED and first * 2 >= len(self.lines):
            del self.positions[:first], self.lines[:first]
            self._first = 0
        return True

    def after(self, since: int, most: int) -> list[Kept]:
        """Return the `most` oldest events after position `since`."""
        begin = bisect_right(self.positions, since, self._first)
        end = begin + most
        return list(zip(self.positions[begin:end], self.lines[begin:end], strict=True))


class RecentEvents:
    """Events by audience, dropped oldest first when they are too many bytes or too old.

    For each shard, `reach` is the position from which on nothing is missing here, and `end` the
    one before which everything has been seen.
    """

    def __init__(self, shards: int, *, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._events: dict[str, _Events] = {}
        self._order: deque[_Batch] = deque()
        self.bytes = 0
        self.dropped_at: float | None = None
        """When the newest of those events came that are no longer here; None if all are."""
        self.reach: list[int | None] = [None] * shards
        self.end: list[int] = [0] * shards

    def begin(self, shard: int, offset: int) -> None:
        """Say that everything from `offset` on will be added, and nothing before it."""
        self.reach[shard] = position(offset, 0)
        self.end[shard] = max(self.end[shard], position(offset, 0))

    def add(self, shard: int, offset: int, events: Sequence[tuple[str, Kept]], now: float) -> None:
        """Add the batch at `offset`: its events, each with its audience, in order."""
        kept_by_audience, size = self._events, 0
        for audience, kept in events:
            known = kept_by_audience.get(audience)
            if known is None:
                known = kept_by_audience[audience] = _Events()
            known.positions.append(kept[0])
            known.lines.append(kept[1])
            size += len(kept[1])
        if events:
            self.bytes += size
            audiences = [audience for audience, _ in events]
            self._order.append(_Batch(shard, kept[0], audiences, size, now))
        self.end[shard] = position(offset + 1, 0)

    def trim(self, now: float) -> None:
        """Drop what is too much or too old at `now`, whole batches at a time."""
        order = self._order
        while order and (self.bytes > self._limit_bytes or now - order[0].at > self._limit_seconds):
            oldest = order.popleft()
            self.dropped_at = oldest.at
            for audience in oldest.audiences:
                if not self._events[audience].drop():
                    del self._events[audience]
            self.bytes -= oldest.size
            # Events before a gap do not extend the reach across it.
            reach = self.reach[oldest.shard] or 0
            self.reach[oldest.shard] = max(reach, oldest.last + 1)

    def reaches(self, shard: int, since: int) -> bool:
        """Tell whether nothing after `since` is missing here."""
        reach = self.reach[shard]
        return reach is not None and since + 1 >= reach

    def after(self, audience: str, since: int, most: int) -> list[Kept]:
        """Return the `most` oldest events of `audience` after position `since`."""
        events = self._events.get(audience)
        return [] if events is None else events.after(since, most)

    def find(self, audience: str, at: int) -> Kept | None:
        """Return the event of `audience` at that position, if it is still here."""
        found = self.after(audience, at - 1, 1)
        return found[0] if found and found[0][0] == at else None
