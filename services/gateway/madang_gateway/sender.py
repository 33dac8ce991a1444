"""Sends into the log, and live notices past it."""

import time
from collections.abc import Awaitable, Sequence

from madang_common.clock import Clock, rfc3339
from madang_common.events.envelope import Event, room_audience
from madang_common.events.kinds import document, kind_of
from madang_common.live.port import Live
from madang_common.log.port import LogBusy, LogError, LogTooLarge
from madang_common.log.publisher import Publisher
from madang_common.problems import KeyConflict, Problem, TooLarge, Unavailable
from madang_common.tokens.claims import Claims
from madang_gateway.destinations import Action
from madang_gateway.history import History
from madang_gateway.interceptors import Interceptor, intercept
from madang_gateway.outgoing import Outgoing
from madang_gateway.receipts import Outcome, Receipts
from madang_gateway.recent_keys import First, Key, RecentKeys, digest


class Sender:
    """Takes what clients send, from STOMP and REST alike.

    A message's outcome is told when its event has come back from the log. The same key again gets
    the first event's position, or KeyConflict if it says something else.
    """

    def __init__(
        self,
        *,
        interceptors: Sequence[Interceptor],
        keys: RecentKeys,
        receipts: Receipts,
        history: History,
        publisher: Publisher,
        live: Live,
        clock: Clock,
    ) -> None:
        """Use a steady `clock` for deadlines; events carry the wall clock's time."""
        self._interceptors = interceptors
        self._keys = keys
        self._receipts = receipts
        self._history = history
        self._publisher = publisher
        self._live = live
        self._clock = clock

    def send(self, who: Claims, outgoing: Outgoing, outcome: Outcome) -> Awaitable[None] | None:
        """Let `outgoing` pass the interceptors and go on; await the result if there is one.

        `outcome` is told exactly once, perhaps before this returns: the position of a message,
        None for a live notice, or the Problem with which it was refused.
        """
        try:
            pending = intercept(self._interceptors, who, outgoing)
            if pending is None and not self._must_look_back(who, outgoing):
                self._accept(who, outgoing, outcome)
                return None
        except Problem as problem:
            outcome(problem)
            return None
        return self._send_later(pending, who, outgoing, outcome)

    async def _send_later(
        self,
        pending: Awaitable[None] | None,
        who: Claims,
        outgoing: Outgoing,
        outcome: Outcome,
    ) -> None:
        try:
            if pending is not None:
                await pending
            if self._must_look_back(who, outgoing):
                key = _key(who, outgoing)
                stored = await self._history.by_key(*key)
                if stored is not None:
                    position, event = stored
                    first = First(position, digest(event.data))
                    outcome(_answer(first, digest(document(outgoing.data))))
                    return
            self._accept(who, outgoing, outcome)
        except Problem as problem:
            outcome(problem)

    def _must_look_back(self, who: Claims, outgoing: Outgoing) -> bool:
        """Tell whether only history can know if this was sent before."""
        return outgoing.retry and self._keys.get(_key(who, outgoing)) is None

    def _accept(self, who: Claims, outgoing: Outgoing, outcome: Outcome) -> None:
        data = document(outgoing.data)
        event = Event(
            key=outgoing.key,
            kind=kind_of(outgoing.data),
            sender=who.subject,
            sender_name=who.name or who.username,
            at=rfc3339(time.time()),
            data=data,
            room=outgoing.room,
            headers=outgoing.headers,
        )
        if outgoing.action is not Action.MESSAGE:
            self._live.publish(event.line())
            outcome(None)
            return
        key = _key(who, outgoing)
        first = self._keys.get(key)
        if first is not None:
            outcome(_answer(first, digest(data)))
        elif self._receipts.wait(key, digest(data), self._clock(), outcome):
            self._append(key, event)

    def _append(self, key: Key, event: Event) -> None:
        def done(error: LogError | None) -> None:
            if error is not None:
                self._receipts.failed(key, _told(error))

        try:
            self._publisher.append(event.audience, event.line(), done)
        except LogError as error:
            self._receipts.failed(key, _told(error))


def _key(who: Claims, outgoing: Outgoing) -> Key:
    return room_audience(outgoing.room), who.subject, outgoing.key


def _answer(first: First, sent: int) -> int | Problem:
    return first.position if first.digest == sent else KeyConflict()


def _told(error: LogError) -> Problem:
    if isinstance(error, LogTooLarge):
        return TooLarge("the event is larger than the log takes")
    if isinstance(error, LogBusy):
        return Unavailable("too much is waiting for the log", retry_after_seconds=1)
    return Unavailable("the log did not confirm it; send it again with the same key")
