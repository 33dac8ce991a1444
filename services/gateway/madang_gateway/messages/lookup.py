"""Looks messages up: in the cache, else in the recent events, else in history.

    cache ──▶ recent events, if they reach back to the message's creation
                └──▶ history, then the recent events after what it has stored

Once a state is cached, the dispatcher keeps it current.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from madang_common.clock import MonotonicClock
from madang_common.coalescing import Coalescer
from madang_common.events.envelope import Event, read_line, room_audience
from madang_common.log.position import from_id, shard_of, to_id
from madang_common.problems import NotFound, Unavailable
from madang_fold import Message, RoomEvent, fold
from madang_gateway.backends.history import MAX_QUERIES, MessageQuery, StoredMessage
from madang_gateway.messages.seen import SeenPositions
from madang_gateway.messages.states import MessageStates
from madang_gateway.metrics import Metrics
from madang_gateway.state.recent_events import PositionedLine, RecentEvents

FetchMessages = Callable[[Sequence[MessageQuery]], Awaitable[Sequence[StoredMessage]]]

_MAX_EVENTS = 500
"""Most recent events of one message that are folded at once; it takes about a millisecond."""
_POLL_SECONDS = 0.1


class Messages:
    """The present state of messages, as far as this gateway has read the log.

    A state has no content; see `MessageStates`.
    """

    def __init__(
        self,
        states: MessageStates,
        recent: RecentEvents,
        fetch: FetchMessages,
        seen: SeenPositions,
        *,
        seconds: float,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        """Ask history with `fetch`; give up after `seconds` in which it lags behind."""
        self._states = states
        self._recent = recent
        self._history: Coalescer[MessageQuery, StoredMessage] = Coalescer(fetch, most=MAX_QUERIES)
        self._seen = seen
        self._seconds = seconds
        self._metrics = metrics
        self._clock = clock

    def known(self, room: str, message: str) -> Message | None:
        """Return the state if it is in memory, None if `get` has to wait for it.

        Raises NotFound if the recent events show that there is no such message.
        """
        audience = room_audience(room)
        state = self._states.get(audience, message)
        if state is not None:
            return state
        shard, at = self._shard(audience), from_id(message)
        if at >= self._recent.end[shard] or not self._recent.reaches(shard, at - 1):
            return None
        lines = self._recent.about(audience, message, -1)
        if len(lines) > _MAX_EVENTS:
            return None
        return self._keep(audience, _folded(message, None, lines), "tail")

    async def get(self, room: str, message: str) -> Message:
        """Return the state; raises NotFound, or Unavailable if history does not answer."""
        audience = room_audience(room)
        shard = self._shard(audience)
        if not await self._seen.wait_for(shard, from_id(message)):
            raise _not_found()
        deadline = self._clock() + self._seconds
        while True:
            state = self.known(room, message)
            if state is not None:
                return state
            stored = await self._history.get(MessageQuery(room, message))
            # No await from here to the cache, so no event is missed in between.
            if self._recent.reaches(shard, stored.stored_to):
                later = self._recent.about(audience, message, stored.stored_to)
                return self._keep(audience, _folded(message, stored.state, later), "history")
            if self._clock() > deadline:
                raise Unavailable(
                    "History is too far behind the log; try again.", retry_after_seconds=5
                )
            await asyncio.sleep(_POLL_SECONDS)

    def _keep(self, audience: str, state: Message | None, source: str) -> Message:
        """Cache a state that was just completed; raise NotFound if there is no such message."""
        if state is None:
            self._metrics.message_lookups.labels("nowhere").inc()
            raise _not_found()
        self._metrics.message_lookups.labels(source).inc()
        self._states.put(audience, state)
        return state

    def _shard(self, audience: str) -> int:
        return shard_of(audience, len(self._recent.end))


def room_event(position: int, event: Event) -> RoomEvent:
    """Return the event at `position` as the fold takes it."""
    return RoomEvent(
        to_id(position), event.kind, event.sender, event.sender_name, event.at, event.data
    )


def _folded(message: str, state: Message | None, lines: Iterable[PositionedLine]) -> Message | None:
    """Return the state of `message` after the events in `lines`; None if it does not exist."""
    for at, line in lines:
        event = room_event(at, read_line(line))
        if state is not None or event.id == message:
            state = fold(state, event)
    return state


def _not_found() -> NotFound:
    return NotFound("There is no such message in this room.")
