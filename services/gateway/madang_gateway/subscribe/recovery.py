"""What a subscription missed: from the tail where that reaches, else from history first."""

import asyncio
from dataclasses import replace
from itertools import accumulate
from typing import Protocol

from madang_common.clock import MonotonicClock
from madang_common.events.envelope import read_line
from madang_common.log.position import from_id, shard_of, to_id
from madang_common.problems import InvalidRequest, Unavailable
from madang_gateway.backends.history import History, Page
from madang_gateway.fanout.encoding import PositionedEvent
from madang_gateway.limits.budget import HISTORY_PAGE
from madang_gateway.metrics import Metrics
from madang_gateway.state.recent_events import PositionedLine, RecentEvents

_PAUSE_SECONDS = 0.1
_START = "start"
"""`since` of a client that has seen nothing of a log that was still empty."""
_SLICE_EVENTS = 64
"""Events that are read and encoded in one turn of the event loop; it takes about a millisecond."""
_LAG_SECONDS = 3.0
"""How far one gateway may be behind another."""


class Reader(Protocol):
    """The subscription that resumes, as far as this is concerned."""

    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        """Tell the client whether all that it missed will come; None if it asked for nothing.

        `position` is where it begins, if nothing before that will be sent.
        """
        ...

    def deliver(self, placed: list[PositionedEvent]) -> None:
        """Send events, oldest first."""
        ...

    def go_live(self) -> None:
        """Receive from now on whatever the log brings."""
        ...

    def charge(self, cost: float) -> None:
        """Pay for what was done, or will be."""
        ...

    @property
    def in_debt(self) -> bool:
        """Whether more was charged than there is."""
        ...

    async def ready(self) -> None:
        """Return when the connection can take more, and the debt is paid."""
        ...


class Recovery:
    """Brings readers from where they were to the live end, without a gap and in order.

    The last step, from the tail to the roster, happens without a pause, so no batch of the log can
    come in between.
    """

    def __init__(
        self,
        tail: RecentEvents,
        history: History,
        *,
        shards: int,
        page: int,
        chunk_bytes: int,
        seconds: float,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        """Ask history for `page` events at a time, and wait for it for at most `seconds`.

        A reader gets about `chunk_bytes` at a time before it must have taken them.
        """
        self._tail = tail
        self._history = history
        self._shards = shards
        self._page = page
        self._chunk_bytes = chunk_bytes
        self._seconds = seconds
        self._metrics = metrics
        self._clock = clock

    def at_once(self, audience: str, since: int, reader: Reader) -> bool:
        """Resume from the tail alone and return True, or return False if that cannot be."""
        shard = shard_of(audience, self._shards)
        if not self._tail.reaches(shard, since) or since >= self._tail.end[shard]:
            return False
        missed, more = self._next_kept(audience, since)
        if more or reader.in_debt:
            return False
        self._metrics.resumes.labels("tail").inc()
        reader.begin(resumed=True)
        _finish(missed, reader)
        return True

    def from_here(self, audience: str, reader: Reader) -> None:
        """Begin at the live end."""
        reader.begin(position=self._end(audience))
        reader.go_live()

    async def step_by_step(self, audience: str, since: int, reader: Reader) -> None:
        """Resume from history, then the tail; raise Unavailable if history gets no further.

        What can no longer be had is not pretended: the reader is told `resumed=False` and gets
        what there is.
        """
        shard = shard_of(audience, self._shards)
        if not await self._seen(shard, since):
            # An id that this log never gave is as good as lost: go on from here.
            self._metrics.resumes.labels("lost").inc()
            reader.begin(resumed=False, position=self._end(audience))
            reader.go_live()
            return
        source = None
        while True:
            # Other subscriptions of the same connection may be resuming too.
            await reader.ready()
            if self._tail.reaches(shard, since):
                source = source or self._begin("tail", reader)
                kept, more = self._next_kept(audience, since)
                if not more:
                    break
                since = kept[-1][0]
                reader.deliver(_placed(kept))
                await asyncio.sleep(0)
            else:
                reader.charge(HISTORY_PAGE)
                page = await self._next_page(audience, shard, since)
                source = source or self._begin("history" if page.reaches else "lost", reader)
                since = _covered(page, since)
                await self._hand_over(page, reader)
        _finish(kept, reader)

    def _next_kept(self, audience: str, since: int) -> tuple[list[PositionedLine], bool]:
        """Return what one turn of the event loop may take, and whether there is more after it."""
        found = self._tail.after(audience, since, _SLICE_EVENTS + 1)
        sizes = accumulate(len(line) for _, line in found)
        fitting = sum(size <= self._chunk_bytes for size in sizes)
        count = min(_SLICE_EVENTS, max(1, fitting))
        return found[:count], len(found) > count

    def _begin(self, source: str, reader: Reader) -> str:
        self._metrics.resumes.labels(source).inc()
        reader.begin(resumed=source != "lost")
        return source

    def _end(self, audience: str) -> int:
        """Return the newest position that has been seen in the shard of `audience`, -1 if none."""
        return self._tail.end[shard_of(audience, self._shards)] - 1

    async def _hand_over(self, page: Page, reader: Reader) -> None:
        """Send what history had, no faster than the client takes it, nor than it may."""
        chunk: list[PositionedEvent] = []
        size = 0
        for position, event in page.events:
            placed = PositionedEvent.at(position, event)
            chunk.append(placed)
            size += len(placed.body)
            if size >= self._chunk_bytes or len(chunk) >= _SLICE_EVENTS:
                await reader.ready()
                reader.deliver(chunk)
                chunk, size = [], 0
                await asyncio.sleep(0)
        if chunk:
            await reader.ready()
            reader.deliver(chunk)

    async def _seen(self, shard: int, since: int) -> bool:
        """Wait for the log to get to `since`, which another gateway may have shown already."""
        deadline = self._clock() + _LAG_SECONDS
        while since >= self._tail.end[shard]:
            if self._clock() > deadline:
                return False
            await asyncio.sleep(_PAUSE_SECONDS)
        return True

    async def _next_page(self, audience: str, shard: int, since: int) -> Page:
        """Return a page that gets further than `since`, or that says that the tail can go on."""
        deadline = self._clock() + self._seconds
        while True:
            try:
                page = self._up_to_here(
                    await self._history.after(audience, since, self._page), shard
                )
                covered = _covered(page, since)
                if page.events or covered > since or self._tail.reaches(shard, covered):
                    return page
            except Unavailable:
                if self._clock() > deadline:
                    raise
            if self._clock() > deadline:
                raise Unavailable(
                    "History is too far behind the log; try again.", retry_after_seconds=5
                )
            await asyncio.sleep(_PAUSE_SECONDS)

    def _up_to_here(self, page: Page, shard: int) -> Page:
        """Return `page` up to where history is whole and the log has been seen here.

        What history is just storing may have holes. What the log has not shown here yet comes from
        the log, once, and only if the reader may still have it then.
        """
        stored = -1 if page.stored_to is None else page.stored_to
        end = min(self._tail.end[shard], stored + 1)
        events = [found for found in page.events if found[0] < end]
        return replace(
            page,
            events=events,
            complete=page.complete or len(events) < len(page.events),
            stored_to=end - 1,
        )


def _covered(page: Page, since: int) -> int:
    """Return the position up to which nothing is missing after `page`."""
    if page.events:
        since = page.events[-1][0]
    if page.complete and page.stored_to is not None:
        since = max(since, page.stored_to)
    return since


def _placed(kept: list[PositionedLine]) -> list[PositionedEvent]:
    return [PositionedEvent.at(position, read_line(line), line) for position, line in kept]


def _finish(missed: list[PositionedLine], reader: Reader) -> None:
    """Send the last that was missed and go live, without a pause between."""
    if missed:
        reader.deliver(_placed(missed))
    reader.go_live()


def read_since(text: str | None) -> int | None:
    """Return the position in a `since` header; raise InvalidRequest if it is none."""
    if text is None:
        return None
    if text == _START:
        return -1
    try:
        return from_id(text)
    except ValueError as error:
        raise InvalidRequest("since must be the id of an event.") from error


def to_since(position: int) -> str:
    """Return what a client gives as `since` to get everything after `position`."""
    return _START if position < 0 else to_id(position)
