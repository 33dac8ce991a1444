"""The newest events of every shard in memory, from which most subscriptions are recovered."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from madang_common.log.position import from_id, position
from madang_gateway.state.message_index import MessageIndex

PositionedLine: TypeAlias = tuple[int, bytes]
"""An event's position and its line."""

_COMPACT_AFTER = 32
"""Dropped events after which an audience's lists are compacted."""


class _Batch(NamedTuple):
    shard: int
    last: int
    """Position of its last event."""
    audiences: list[str]
    """The audience of each event, in order."""
    size: int
    at: float


class _AudienceEvents:
    """The events of one audience, oldest first."""

    # Two parallel lists: positions are found by bisection, and ints and bytes are not tracked by
    # the garbage collector.
    __slots__ = ("_first", "index", "lines", "positions")

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.lines: list[bytes] = []
        self.index: MessageIndex | None = None
        """The events that target a message; None if there are none."""
        self._first = 0
        """Index of the oldest event that was not dropped."""

    def drop(self) -> bool:
        """Drop the oldest event; return whether there are others."""
        first = self._first
        self.lines[first] = b""
        if self.index is not None and not self.index.drop(self.positions[first]):
            self.index = None
        self._first = first = first + 1
        if first == len(self.lines):
            return False
        if first >= _COMPACT_AFTER and first * 2 >= len(self.lines):
            del self.positions[:first], self.lines[:first]
            self._first = 0
        return True

    def after(self, since: int, limit: int) -> list[PositionedLine]:
        """Return up to `limit` events after position `since`, oldest first."""
        begin = bisect_right(self.positions, since, self._first)
        end = begin + limit
        return list(zip(self.positions[begin:end], self.lines[begin:end], strict=True))

    def place(self, at: int) -> int | None:
        """Return the index of the event at position `at` in both lists, or None."""
        place = bisect_left(self.positions, at, self._first)
        return place if place < len(self.positions) and self.positions[place] == at else None

    def about(self, message: str) -> list[int]:
        """Return the positions of the events that may have created or do target `message`."""
        targeting = () if self.index is None else self.index.positions(message)
        return [from_id(message), *targeting]


class RecentEvents:
    """Events by audience; the oldest are dropped when there are too many bytes or they are too old.

    For each shard, `reach` is the first position from which no event is missing, None before
    `begin`, and `end` the position after the newest event that was read.
    """

    def __init__(self, shards: int, *, limit_bytes: int, limit_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._events: dict[str, _AudienceEvents] = {}
        self._batches: deque[_Batch] = deque()
        self._dropped_at: float | None = None
        """Time of the newest batch that was dropped; None if none was."""
        self.bytes = 0
        self.reach: list[int | None] = [None] * shards
        self.end: list[int] = [0] * shards

    def begin(self, shard: int, offset: int) -> None:
        """Start at `offset`: every batch from there on will be added, and none before it."""
        self.reach[shard] = position(offset, 0)
        self.end[shard] = max(self.end[shard], position(offset, 0))

    def add(
        self, shard: int, offset: int, events: Sequence[tuple[str, PositionedLine]], now: float
    ) -> None:
        """Add the batch at `offset`: its events in order, each with its audience."""
        by_audience, size = self._events, 0
        for audience, event in events:
            known = by_audience.get(audience)
            if known is None:
                known = by_audience[audience] = _AudienceEvents()
            known.positions.append(event[0])
            known.lines.append(event[1])
            size += len(event[1])
        if events:
            self.bytes += size
            audiences = [audience for audience, _ in events]
            self._batches.append(_Batch(shard, event[0], audiences, size, now))
        self.end[shard] = position(offset + 1, 0)

    def trim(self, now: float) -> None:
        """Drop whole batches until both limits hold at `now`."""
        batches = self._batches
        while batches and (
            self.bytes > self._limit_bytes or now - batches[0].at > self._limit_seconds
        ):
            oldest = batches.popleft()
            self._dropped_at = oldest.at
            for audience in oldest.audiences:
                if not self._events[audience].drop():
                    del self._events[audience]
            self.bytes -= oldest.size
            # Events before a gap do not extend the reach across it.
            reach = self.reach[oldest.shard] or 0
            self.reach[oldest.shard] = max(reach, oldest.last + 1)

    def note_gap(self, now: float) -> None:
        """Record that events were lost before `now`."""
        self._dropped_at = now

    def reach_seconds(self, now: float) -> float:
        """Return the seconds before `now` from which no event is missing, at most the age limit."""
        if self._dropped_at is None:
            return self._limit_seconds
        return min(self._limit_seconds, now - self._dropped_at)

    def reaches(self, shard: int, since: int) -> bool:
        """Return whether no event of `shard` after position `since` is missing."""
        reach = self.reach[shard]
        return reach is not None and since + 1 >= reach

    def after(self, audience: str, since: int, limit: int) -> list[PositionedLine]:
        """Return up to `limit` events of `audience` after position `since`, oldest first."""
        events = self._events.get(audience)
        return [] if events is None else events.after(since, limit)

    def index(self, audience: str, at: int, message: str, *, deletes: bool) -> None:
        """Record that the event at position `at`, the newest such one, targets `message`."""
        events = self._events[audience]
        if events.index is None:
            events.index = MessageIndex()
        events.index.add(at, message, deletes=deletes)

    def about(self, audience: str, message: str, since: int) -> list[PositionedLine]:
        """Return the event with the id `message` and those that target it, after `since`."""
        events = self._events.get(audience)
        if events is None:
            return []
        places = ((at, events.place(at)) for at in events.about(message) if at > since)
        return [(at, events.lines[place]) for at, place in places if place is not None]

    def is_deleted(self, audience: str, message: str) -> bool:
        """Return whether the deletion of `message` is among the events of `audience`."""
        events = self._events.get(audience)
        return events is not None and events.index is not None and events.index.is_deleted(message)

    def replace(
        self, audience: str, message: str, change: Callable[[PositionedLine], bytes]
    ) -> None:
        """Replace the line of each event that `about` returns by what `change` returns for it."""
        events = self._events.get(audience)
        if events is None:
            return
        for at in events.about(message):
            place = events.place(at)
            if place is not None:
                events.lines[place] = change((at, events.lines[place]))
