"""Sends into the log, and live notices past it."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial

from madang_common.clock import Clock, rfc3339
from madang_common.events.envelope import Event, room_audience
from madang_common.events.kinds import LIVE, RoomRead
from madang_common.live.port import Live
from madang_common.log.port import LogBusy, LogError, LogTooLarge
from madang_common.log.publisher import Publisher
from madang_common.problems import KeyConflict, Problem, TooLarge, Unavailable
from madang_common.tokens.claims import Claims
from madang_gateway.backends.history import History
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import Command
from madang_gateway.publish.interceptors import Interceptor, intercept
from madang_gateway.state.idempotency_keys import (
    IdempotencyKeys,
    Key,
    digest,
    key_of,
    position_and_digest,
)
from madang_gateway.state.pending_receipts import Outcome, PendingReceipts
from madang_gateway.state.sent_lines import SentLines

_MOST_CHECKS = 10


class Sender:
    """Takes what clients send, from STOMP and REST alike.

    A message's outcome is told when its event has come back from the log. The same key again gets
    the first event's position, or KeyConflict if it says something else.
    """

    def __init__(
        self,
        *,
        interceptors: Sequence[Interceptor],
        standing: Sequence[Interceptor],
        keys: IdempotencyKeys,
        own_lines: SentLines,
        receipts: PendingReceipts,
        history: History,
        publisher: Publisher,
        live: Live,
        clock: Clock,
    ) -> None:
        """Let each send pass `interceptors` first.

        `standing` is checked again right before the append: it may change during an await. Use a
        steady `clock` for deadlines; events carry the wall clock's time.
        """
        self._interceptors = interceptors
        self._standing = standing
        self._keys = keys
        self._own_lines = own_lines
        self._receipts = receipts
        self._history = history
        self._publisher = publisher
        self._live = live
        self._clock = clock

    def send(self, who: Claims, outgoing: Command, outcome: Outcome) -> Awaitable[None] | None:
        """Let `outgoing` pass the interceptors and go on; await the result if there is one.

        `outcome` is told exactly once, perhaps before this returns: the position of a message,
        None for a live notice, or the Problem with which it was refused.
        """
        try:
            pending = intercept(self._interceptors, who, outgoing)
            if pending is None and not (outgoing.retry and self._must_look_back(who, outgoing)):
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
        outgoing: Command,
        outcome: Outcome,
    ) -> None:
        try:
            if pending is not None:
                await pending
            if self._must_look_back(who, outgoing):
                stored = await self._stored(who, outgoing)
                if stored is not None:
                    position, event = stored
                    outcome(_answer(position, digest(event.data), digest(outgoing.data)))
                    return
            await self._check_again(who, (outgoing,))
            self._accept(who, outgoing, outcome)
        except Problem as problem:
            outcome(problem)

    def _must_look_back(self, who: Claims, outgoing: Command) -> bool:
        """Tell whether only history can know if this was sent before."""
        return outgoing.retry and self._keys.get(_key(who, outgoing)) is None

    async def send_together(self, who: Claims, sends: Sequence[Command]) -> None:
        """Send all of `sends`, those to one room next to each other, and return when all are back.

        Raise the Problem with which one of them was refused: then nothing was sent. Raise
        Unavailable if a room's batch, which is stored whole or not at all, was not confirmed.
        """
        known: set[Key] = set()
        for outgoing in sends:
            pending = intercept(self._interceptors, who, outgoing)
            if pending is not None:
                await pending
            if self._must_look_back(who, outgoing) and await self._is_stored(who, outgoing):
                known.add(_key(who, outgoing))
        await self._check_again(who, sends)
        # From here on there is no pause, so what was checked still holds.
        fresh: dict[Key, Event] = {}
        notices = []
        for outgoing in sends:
            event, key = _event(who, outgoing), _key(who, outgoing)
            if outgoing.kind in LIVE:
                notices.append(event)
            elif key not in known and self._is_fresh(key, event, fresh):
                fresh[key] = event
        gathered = _Gathered(len(fresh))
        for notice in notices:
            self._live.publish(notice.line())
        self._append_together(fresh, gathered)
        await gathered.done()

    async def _check_again(self, who: Claims, sends: Sequence[Command]) -> None:
        """Return at a moment at which `who` may make all of `sends`; raise if there is none.

        To wait for one answer makes those before it old, so it is checked until nothing is asked.
        """
        for _ in range(_MOST_CHECKS):
            asked = [intercept(self._standing, who, outgoing) for outgoing in sends]
            waiting = [pending for pending in asked if pending is not None]
            if not waiting:
                return
            await asyncio.gather(*waiting)
        raise Unavailable("The room changes too fast; try again.", retry_after_seconds=1)

    def mark_read(self, who: Claims, room: str, upto: str) -> None:
        """Tell `room`, whose messages `who` receives, that they have read up to that event."""
        outgoing = Command.of(Action.READ, room, RoomRead(upto=upto))
        self._live.publish(_event(who, outgoing).line())

    async def _is_stored(self, who: Claims, outgoing: Command) -> bool:
        """Tell whether history has it; raise KeyConflict if it has something else by that key."""
        stored = await self._stored(who, outgoing)
        if stored is None:
            return False
        if digest(stored[1].data) != digest(outgoing.data):
            raise KeyConflict
        return True

    async def _stored(self, who: Claims, outgoing: Command) -> tuple[int, Event] | None:
        """Return the event that has its key, and where it stands, if history has one."""
        audience = room_audience(outgoing.room)
        return await self._history.by_key(audience, who.subject, outgoing.key)

    def _is_fresh(self, key: Key, event: Event, others: Mapping[Key, Event]) -> bool:
        """Tell whether nothing has `key` yet; raise KeyConflict if something else has it."""
        sent = digest(event.data)
        first, other = self._keys.get(key), others.get(key)
        taken = {
            first and position_and_digest(first)[1],
            other and digest(other.data),
            self._receipts.under_way(key),
        } - {None}
        if taken - {sent}:
            raise KeyConflict
        # What is under way already is waited for, and appended no second time.
        return first is None and other is None

    def _append_together(self, fresh: Mapping[Key, Event], gathered: "_Gathered") -> None:
        now = self._clock()
        rooms: dict[str, dict[Key, bytes]] = {}
        for key, event in fresh.items():
            if self._receipts.wait(key, digest(event.data), now, gathered.outcome):
                rooms.setdefault(event.audience, {})[key] = event.line()

        def fail(keys: Iterable[Key], error: LogError | None) -> None:
            if error is not None:
                for key in keys:
                    self._receipts.failed(key, _told(error))

        for audience, lines in rooms.items():
            try:
                done = partial(fail, tuple(lines))
                self._publisher.append_together(audience, tuple(lines.values()), done)
            except LogError as error:
                fail(tuple(lines), error)

    def _accept(self, who: Claims, outgoing: Command, outcome: Outcome) -> None:
        if outgoing.kind in LIVE:
            self._live.publish(_event(who, outgoing).line())
            outcome(None)
            return
        audience = room_audience(outgoing.room)
        key, sent = key_of(audience, who.subject, outgoing.key), digest(outgoing.data)
        first = self._keys.get(key)
        if first is not None:
            outcome(_answer(*position_and_digest(first), sent))
        elif self._receipts.wait(key, sent, self._clock(), outcome):
            event = _event(who, outgoing)
            line = event.line()
            self._own_lines.add(line, (event, audience, key, sent))
            done = partial(self._appended, key)
            try:
                self._publisher.append(audience, line, done)
            except LogError as error:
                done(error)

    def _appended(self, key: Key, error: LogError | None) -> None:
        if error is not None:
            self._receipts.failed(key, _told(error))


class _Gathered:
    """The outcomes of sends that belong together."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._refused: Problem | None = None
        self._all = asyncio.Event()
        if not count:
            self._all.set()

    def outcome(self, result: int | Problem | None) -> None:
        """Take one of them."""
        if self._refused is None and isinstance(result, Problem):
            self._refused = result
        self._missing -= 1
        if not self._missing:
            self._all.set()

    async def done(self) -> None:
        """Return when all are there; raise the first Problem among them."""
        await self._all.wait()
        if self._refused is not None:
            raise self._refused


def _event(who: Claims, outgoing: Command) -> Event:
    return Event(
        outgoing.key,
        outgoing.kind,
        who.subject,
        who.name or who.username,
        rfc3339(time.time()),
        outgoing.data,
        outgoing.room,
        None,
        outgoing.headers,
    )


def _key(who: Claims, outgoing: Command) -> Key:
    return key_of(room_audience(outgoing.room), who.subject, outgoing.key)


def _answer(position: int, stored: int, sent: int) -> int | Problem:
    """Return what to tell of a key whose first event is at `position`, by both digests."""
    return position if stored == sent else KeyConflict()


def _told(error: LogError) -> Problem:
    if isinstance(error, LogTooLarge):
        return TooLarge("The event is larger than the log takes.")
    if isinstance(error, LogBusy):
        return Unavailable("Too much waits for the log; try again.", retry_after_seconds=1)
    unknown = "The log did not confirm it; send it again with the same key."
    return Unavailable(unknown, retry_after_seconds=1)
