"""Replay of missed events: from recent events in memory, else page by page from history first.

since ──▶ history, page by page ──▶ recent events ──▶ live (the hub)
              └── skipped if recent events reach back to `since`
"""

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
from madang_gateway.messages.seen import SeenPositions
from madang_gateway.metrics import Metrics
from madang_gateway.state.recent_events import PositionedLine, RecentEvents

_POLL_SECONDS = 0.1
_START = "start"
"""`since` of a client that subscribed while the log was empty."""
_SLICE_EVENTS = 64
"""Events read and encoded in one turn of the event loop; takes about a millisecond."""


class ReplayTarget(Protocol):
    """The subscription to which events are replayed."""

    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        """Send the RECEIPT; `resumed` is whether all missed events follow, None without `since`.

        `position` is where the subscription starts, if no earlier event is sent.
        """
        ...

    def deliver(self, events: list[PositionedEvent]) -> None:
        """Send events, oldest first."""
        ...

    def go_live(self) -> None:
        """Enter the hub: receive live events from now on."""
        ...

    def charge(self, cost: float) -> None:
        """Charge the client for a part of the replay."""
        ...

    @property
    def in_debt(self) -> bool:
        """Whether the client has to pay a debt first."""
        ...

    async def ready(self) -> None:
        """Return when the connection is writable and the debt is paid."""
        ...


class Recovery:
    """Replays events to subscriptions without a gap and in order, then lets them go live.

    The last step, from recent events to the hub, has no await: no batch can come in between.
    """

    def __init__(
        self,
        recent: RecentEvents,
        history: History,
        *,
        seen: SeenPositions,
        shards: int,
        page: int,
        chunk_bytes: int,
        seconds: float,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        """Request `page` events of history at a time; give up after `seconds` without progress.

        A target gets about `chunk_bytes` before it must be ready again.
        """
        self._recent = recent
        self._history = history
        self._seen = seen
        self._shards = shards
        self._page = page
        self._chunk_bytes = chunk_bytes
        self._seconds = seconds
        self._metrics = metrics
        self._clock = clock

    def replay_now(self, audience: str, since: int, target: ReplayTarget) -> bool:
        """Replay missed events at once if few recent ones suffice, else return False."""
        shard = shard_of(audience, self._shards)
        if not self._recent.reaches(shard, since) or since >= self._recent.end[shard]:
            return False
        missed, more = self._next_recent(audience, since)
        if more or target.in_debt:
            return False
        self._metrics.resumes.labels("tail").inc()
        target.begin(resumed=True)
        _finish(missed, target)
        return True

    def start_live(self, audience: str, target: ReplayTarget) -> None:
        """Start at the live end."""
        target.begin(position=self._end(audience))
        target.go_live()

    async def replay(self, audience: str, since: int, target: ReplayTarget) -> None:
        """Replay from history, then recent events; raise Unavailable if history makes no progress.

        Raise Unavailable too if the log does not tell whether it has the event at `since`. If
        events are missing, the target begins with `resumed=False` and gets the rest.
        """
        shard = shard_of(audience, self._shards)
        if not await self._seen.wait_for(shard, since):
            # The log never had this id: start live.
            self._metrics.resumes.labels("lost").inc()
            target.begin(resumed=False, position=self._end(audience))
            target.go_live()
            return
        source = None
        while True:
            # Other subscriptions of the same connection may be replaying too.
            await target.ready()
            if self._recent.reaches(shard, since):
                source = source or self._begin("tail", target)
                events, more = self._next_recent(audience, since)
                if not more:
                    break
                since = events[-1][0]
                target.deliver(_positioned(events))
                await asyncio.sleep(0)
            else:
                target.charge(HISTORY_PAGE)
                page = await self._next_page(audience, shard, since)
                source = source or self._begin("history" if page.reaches else "lost", target)
                since = _covered(page, since)
                await self._deliver_page(page, target)
        _finish(events, target)

    def _next_recent(self, audience: str, since: int) -> tuple[list[PositionedLine], bool]:
        """Return the events for one turn of the event loop, and whether more follow."""
        found = self._recent.after(audience, since, _SLICE_EVENTS + 1)
        sizes = accumulate(len(line) for _, line in found)
        fitting = sum(size <= self._chunk_bytes for size in sizes)
        count = min(_SLICE_EVENTS, max(1, fitting))
        return found[:count], len(found) > count

    def _begin(self, source: str, target: ReplayTarget) -> str:
        self._metrics.resumes.labels(source).inc()
        target.begin(resumed=source != "lost")
        return source

    def _end(self, audience: str) -> int:
        """Return the newest position seen in the shard of `audience`, -1 if none."""
        return self._recent.end[shard_of(audience, self._shards)] - 1

    async def _deliver_page(self, page: Page, target: ReplayTarget) -> None:
        """Deliver a page of history, waiting for the target before each chunk."""
        chunk: list[PositionedEvent] = []
        size = 0
        for at, event in page.events:
            positioned = PositionedEvent.at(at, event)
            chunk.append(positioned)
            size += len(positioned.body)
            if size >= self._chunk_bytes or len(chunk) >= _SLICE_EVENTS:
                await target.ready()
                target.deliver(chunk)
                chunk, size = [], 0
                await asyncio.sleep(0)
        if chunk:
            await target.ready()
            target.deliver(chunk)

    async def _next_page(self, audience: str, shard: int, since: int) -> Page:
        """Return a page that makes progress past `since`, or after which recent events suffice."""
        deadline = self._clock() + self._seconds
        while True:
            try:
                page = self._up_to_seen(
                    await self._history.after(audience, since, self._page), shard
                )
                covered = _covered(page, since)
                if page.events or covered > since or self._recent.reaches(shard, covered):
                    return page
            except Unavailable:
                if self._clock() > deadline:
                    raise
            if self._clock() > deadline:
                raise Unavailable(
                    "History is too far behind the log; try again.", retry_after_seconds=5
                )
            await asyncio.sleep(_POLL_SECONDS)

    def _up_to_seen(self, page: Page, shard: int) -> Page:
        """Return `page` cut where history is complete and where this gateway has read the log.

        Later positions of history may have gaps. Events that this gateway has not read yet come
        from the log, once, and only if the subscription still exists then.
        """
        stored = -1 if page.stored_to is None else page.stored_to
        end = min(self._recent.end[shard], stored + 1)
        events = [found for found in page.events if found[0] < end]
        return replace(
            page,
            events=events,
            complete=page.complete or len(events) < len(page.events),
            stored_to=end - 1,
        )


def _covered(page: Page, since: int) -> int:
    """Return the position up to which nothing is missing once `page` is delivered."""
    if page.events:
        since = page.events[-1][0]
    if page.complete and page.stored_to is not None:
        since = max(since, page.stored_to)
    return since


def _positioned(kept: list[PositionedLine]) -> list[PositionedEvent]:
    return [PositionedEvent.at(at, read_line(line), line) for at, line in kept]


def _finish(events: list[PositionedLine], target: ReplayTarget) -> None:
    """Deliver the last events and go live, with no await between."""
    if events:
        target.deliver(_positioned(events))
    target.go_live()


def read_since(text: str | None) -> int | None:
    """Return the position in a `since` header; raise InvalidRequest if it is not an event id."""
    if text is None:
        return None
    if text == _START:
        return -1
    try:
        return from_id(text)
    except ValueError as error:
        raise InvalidRequest("since must be the id of an event.") from error


def to_since(at: int) -> str:
    """Return the `since` that requests everything after position `at`."""
    return _START if at < 0 else to_id(at)
