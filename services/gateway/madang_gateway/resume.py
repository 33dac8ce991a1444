"""What a subscription missed: from the tail where that reaches, else from history first."""

import asyncio
from typing import Protocol

from madang_common.clock import Clock
from madang_common.events.envelope import read_line
from madang_common.log.position import from_id, shard_of, to_id
from madang_common.problems import InvalidRequest, Unavailable
from madang_gateway.history import History, Page
from madang_gateway.metrics import Metrics
from madang_gateway.shapes import Placed
from madang_gateway.tail import Tail

_PAUSE_SECONDS = 0.1
_START = "start"
"""`since` of a client that has seen nothing of a log that was still empty."""
_LAG_SECONDS = 3.0
"""How far one gateway may be behind another."""


class Reader(Protocol):
    """The subscription that resumes, as far as this is concerned."""

    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        """Tell the client whether all that it missed will come; None if it asked for nothing.

        `position` is where it begins, if nothing before that will be sent.
        """
        ...

    def deliver(self, placed: list[Placed]) -> None:
        """Send events, oldest first."""
        ...

    def go_live(self) -> None:
        """Receive from now on whatever the log brings."""
        ...

    async def drained(self) -> None:
        """Return when the connection can take more."""
        ...


class Resumption:
    """Brings readers from where they were to the live end, without a gap and in order.

    The last step, from the tail to the roster, happens without a pause, so no batch of the log can
    come in between.
    """

    def __init__(
        self,
        tail: Tail,
        history: History,
        *,
        shards: int,
        page: int,
        seconds: float,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Ask history for `page` events at a time, and wait for it for at most `seconds`."""
        self._tail = tail
        self._history = history
        self._shards = shards
        self._page = page
        self._seconds = seconds
        self._metrics = metrics
        self._clock = clock

    def at_once(self, audience: str, since: int, reader: Reader) -> bool:
        """Resume from the tail alone and return True, or return False if it does not reach."""
        shard = shard_of(audience, self._shards)
        if not self._tail.reaches(shard, since) or since >= self._tail.end[shard]:
            return False
        self._metrics.resumes.labels("tail").inc()
        reader.begin(resumed=True)
        self._finish(audience, since, reader)
        return True

    def from_here(self, audience: str, reader: Reader) -> None:
        """Begin at the live end."""
        reader.begin(position=self._end(audience))
        reader.go_live()

    async def through_history(self, audience: str, since: int, reader: Reader) -> None:
        """Resume from history, then the tail; raise Unavailable if history gets no further.

        What can no longer be had is not pretended: the reader is told `resumed=False` and gets
        what there is.
        """
        shard = shard_of(audience, self._shards)
        known = await self._seen(shard, since)
        source = "history"
        begun = False
        while known and not self._tail.reaches(shard, since):
            page = await self._next_page(audience, shard, since)
            if not begun:
                begun = True
                source = "history" if page.reaches else "lost"
                reader.begin(resumed=page.reaches)
            if page.events:
                reader.deliver([Placed(at, event, event.body(at)) for at, event in page.events])
                await reader.drained()
            since = self._covered(page, since)
        if not known:
            # An id that this log never gave is as good as lost: go on from here.
            source = "lost"
            reader.begin(resumed=False, position=self._end(audience))
        elif not begun:
            source = "tail"
            reader.begin(resumed=True)
        self._metrics.resumes.labels(source).inc()
        self._finish(audience, since, reader)

    def _end(self, audience: str) -> int:
        """Return the newest position that has been seen in the shard of `audience`, -1 if none."""
        return self._tail.end[shard_of(audience, self._shards)] - 1

    def _finish(self, audience: str, since: int, reader: Reader) -> None:
        missed = []
        for kept in self._tail.after(audience, since):
            event = read_line(kept.line)
            missed.append(Placed(kept.position, event, event.body(kept.position)))
        if missed:
            reader.deliver(missed)
        reader.go_live()

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
                page = await self._history.after(audience, since, self._page)
                covered = self._covered(page, since)
                if page.events or covered > since or self._tail.reaches(shard, covered):
                    return page
            except Unavailable:
                if self._clock() > deadline:
                    raise
            if self._clock() > deadline:
                raise Unavailable("history is too far behind the log", retry_after_seconds=5)
            await asyncio.sleep(_PAUSE_SECONDS)

    @staticmethod
    def _covered(page: Page, since: int) -> int:
        """Return the position up to which nothing is missing after `page`."""
        if page.events:
            since = page.events[-1][0]
        if page.complete and page.stored_to is not None:
            since = max(since, page.stored_to)
        return since


def read_since(text: str | None) -> int | None:
    """Return the position in a `since` header; raise InvalidRequest if it is none."""
    if text is None:
        return None
    if text == _START:
        return -1
    try:
        return from_id(text)
    except ValueError as error:
        raise InvalidRequest("since is the id of an event") from error


def to_since(position: int) -> str:
    """Return what a client gives as `since` to get everything after `position`."""
    return _START if position < 0 else to_id(position)
