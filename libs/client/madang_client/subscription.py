"""A subscription: ordered, deduplicated events across reconnects."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from madang_client.errors import Closed, MadangError, Refused
from madang_client.event import Event, Gap
from madang_client.sequence import Sequence
from madang_client.settings import ChatSettings
from madang_client.stomp.frame import Frame


@dataclass(frozen=True, slots=True)
class _Past:
    """The time before a resumption, whose replayed events count as missed."""

    position: str | None
    seconds: float
    """Seconds since the epoch at the resumption."""

    def includes(self, event: Event) -> bool:
        """Return whether `event` is older; by time if the server gave no position."""
        if self.position is not None:
            return event.id <= self.position
        try:
            return datetime.fromisoformat(event.at).timestamp() < self.seconds
        except ValueError:
            return False


class Subscription:
    """Iterates over `Event`s, with a `Gap` where events may be missing.

    Its queue is bounded. When it is full, a `lossy` subscription drops its oldest event; any other
    makes its chat stop reading.
    """

    def __init__(
        self,
        destination: str,
        *,
        settings: ChatSettings,
        room: str | None = None,
        since: str | None = None,
        lossy: bool = False,
        on_taken: Callable[["Subscription"], None] = lambda _: None,
        on_end: Callable[["Subscription"], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.destination = destination
        self.room = room
        self.name: str | None = None
        """Id of the current STOMP subscription; None while there is none."""
        self.dropped = 0
        """Number of events that a lossy subscription has dropped."""
        self._limit = settings.queue_events
        self._lossy = lossy
        self._sequence = Sequence(since, settings.remembered_events)
        self._asked_since: str | None = None
        self._past: _Past | None = None
        self._was_granted = False
        self._position = since
        self._queue: deque[Event | Gap] = deque()
        self._arrived = asyncio.Event()
        self._granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end: MadangError | None = None
        self._on_taken = on_taken
        self._on_end = on_end
        self._clock = clock

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | Gap:
        """Return the next item; stop if the subscription was closed, raise if it failed."""
        while not self._queue:
            if isinstance(self._end, Closed):
                raise StopAsyncIteration
            if self._end is not None:
                raise self._end
            self._arrived.clear()
            await self._arrived.wait()
        item = self._queue.popleft()
        if isinstance(item, Event) and item.id:
            self._position = item.id
        self._on_taken(self)
        return item

    @property
    def position(self) -> str | None:
        """Id of the last event taken: the `since` of a later subscription.

        Before the first event, the position of the subscription's start.
        """
        return self._position

    @property
    def arrived(self) -> str | None:
        """Id of the last event received, taken or not."""
        return self._sequence.position

    @property
    def ended(self) -> bool:
        """Whether the subscription has ended."""
        return self._end is not None

    @property
    def is_full(self) -> bool:
        """Whether the queue is full."""
        return not self._lossy and len(self._queue) >= self._limit

    @property
    def is_nearly_empty(self) -> bool:
        """Whether a subscription that ended because it was full may resume."""
        return len(self._queue) <= self._limit // 2

    async def wait_until_accepted(self) -> None:
        """Return when the server has first accepted it; raise if it was refused."""
        await asyncio.shield(self._granted)

    async def close(self) -> None:
        """Unsubscribe; a waiting reader stops."""
        self.end(Closed("the subscription was closed"))

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers of a SUBSCRIBE named `name` that resumes after the last event."""
        self.name = name
        self._asked_since = self._sequence.position
        headers = {"id": name, "destination": self.destination, "ack": "auto"}
        return headers | ({"since": self._asked_since} if self._asked_since else {})

    def granted(self, frame: Frame) -> None:
        """Handle the RECEIPT of the SUBSCRIBE."""
        position = frame.headers.get("position")
        if self._asked_since is None:
            # Without a position to resume from, events in between may be missing.
            if self._was_granted and position:
                self._put(Gap(self.room, None))
            self._sequence.restart(position)
        elif frame.headers.get("resumed") == "false":
            self._put(Gap(self.room, self._asked_since))
            self._sequence.rewind(position)
        if self._position is None:
            self._position = position
        self._past = _Past(position, self._clock()) if self._asked_since else None
        self._was_granted = True
        if not self._granted.done():
            self._granted.set_result(None)

    def refused(self, problem: Refused) -> None:
        """Handle the refusal of the SUBSCRIBE, which ends the subscription."""
        self.end(problem)

    def put(self, event: Event) -> None:
        """Queue `event` unless it is a duplicate; raise OutOfOrder if it is out of order.

        Must not be called on a full subscription.
        """
        if self._end is None and self._sequence.admit(event):
            missed = self._past is not None and self._past.includes(event)
            self._put(replace(event, missed=True) if missed else event)

    def end(self, error: MadangError) -> None:
        """End the subscription: the reader gets the queued items, then `error`."""
        if self._end is not None:
            return
        self._end = error
        if not self._granted.done():
            self._granted.set_exception(error)
            self._granted.exception()  # retrieved: nothing may await it
        self._on_end(self)
        self._arrived.set()

    def _put(self, item: Event | Gap) -> None:
        if self._lossy and len(self._queue) >= self._limit:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(item)
        self._arrived.set()
