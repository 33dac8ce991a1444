"""Appends durable events to the log, and publishes live events, which bypass it."""

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from functools import partial

from madang_common.clock import rfc3339
from madang_common.events.envelope import Event, room_audience
from madang_common.events.kinds import LIVE, RoomRead
from madang_common.events.redaction import is_redacted
from madang_common.live.port import Live
from madang_common.log.port import LogBusy, LogError, LogTooLarge, LogUnusable
from madang_common.log.publisher import Publisher
from madang_common.problems import KeyConflict, Problem, TooLarge, Unavailable
from madang_common.tokens.claims import Claims
from madang_gateway.backends.history import History
from madang_gateway.messages.rules import CHANGES
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import SendCommand
from madang_gateway.publish.interceptors import Interceptor, intercept
from madang_gateway.state.idempotency_keys import (
    IdempotencyKey,
    IdempotencyKeys,
    digest,
    idempotency_key,
    position_and_digest,
)
from madang_gateway.state.pending_receipts import OnOutcome, PendingReceipts
from madang_gateway.state.sent_lines import SentLines

_MAX_CHECKS = 10


class Sender:
    """Executes send commands from STOMP and REST.

    A durable event succeeds when it comes back from the log. A repeated key gets the position of
    the first event, or KeyConflict if kind or data differ.
    """

    def __init__(
        self,
        *,
        interceptors: Sequence[Interceptor],
        change_check: Interceptor,
        append_checks: Sequence[Interceptor],
        idempotency_keys: IdempotencyKeys,
        sent_lines: SentLines,
        pending_receipts: PendingReceipts,
        history: History,
        publisher: Publisher,
        live: Live,
    ) -> None:
        """Every send passes `interceptors` first, and `change_check` unless its key is known.

        Otherwise a repeated deletion, which has succeeded, would be refused. `append_checks` run
        again right before the append if there was an await in between, because their results may
        have changed; so does `change_check`.
        """
        self._interceptors = interceptors
        self._change_check = change_check
        self._append_checks = (*append_checks, self._check_change)
        self._idempotency_keys = idempotency_keys
        self._sent_lines = sent_lines
        self._pending_receipts = pending_receipts
        self._history = history
        self._publisher = publisher
        self._live = live

    def send(
        self, claims: Claims, command: SendCommand, on_outcome: OnOutcome
    ) -> Awaitable[None] | None:
        """Execute `command`; await the result unless it is None.

        `on_outcome` is called exactly once, perhaps before this returns: with the position of a
        message, None for a live event, or the Problem with which it was refused.
        """
        try:
            pending = intercept(self._interceptors, claims, command)
            if pending is None and not (
                command.retry and self._must_query_history(claims, command)
            ):
                pending = self._check_change(claims, command)
                if pending is None:
                    self._accept(claims, command, on_outcome)
                    return None
        except Problem as problem:
            on_outcome(problem)
            return None
        return self._send_later(pending, claims, command, on_outcome)

    async def _send_later(
        self,
        pending: Awaitable[None] | None,
        claims: Claims,
        command: SendCommand,
        on_outcome: OnOutcome,
    ) -> None:
        try:
            if pending is not None:
                await pending
            if self._must_query_history(claims, command):
                stored = await self._stored(claims, command)
                if stored is not None:
                    position, event = stored
                    on_outcome(position if _is_same(event, command) else KeyConflict())
                    return
            await self._check_again(claims, (command,))
            self._accept(claims, command, on_outcome)
        except Problem as problem:
            on_outcome(problem)

    def _must_query_history(self, claims: Claims, command: SendCommand) -> bool:
        """Return whether the command is a retry whose first send can only be in history."""
        return command.retry and self._idempotency_keys.get(_key(claims, command)) is None

    async def send_together(self, claims: Claims, commands: Sequence[SendCommand]) -> None:
        """Execute all commands of a transaction; return when all their events came back.

        The messages of one room are appended next to each other. Raises the Problem if one of them
        was refused; none is sent then. Raises Unavailable if the batch of a room, which is stored
        completely or not at all, was not confirmed.
        """
        stored: set[IdempotencyKey] = set()
        for command in commands:
            pending = intercept(self._interceptors, claims, command)
            if pending is not None:
                await pending
            if self._must_query_history(claims, command) and await self._is_stored(claims, command):
                stored.add(_key(claims, command))
        to_append = [command for command in commands if _key(claims, command) not in stored]
        await self._check_again(claims, to_append)
        # No await from here on, so the checks still hold.
        new: dict[IdempotencyKey, Event] = {}
        live = []
        for command in commands:
            event, key = _event(claims, command), _key(claims, command)
            if command.kind in LIVE:
                live.append(event)
            elif key not in stored and self._is_new(key, event, new):
                new[key] = event
        outcomes = _Outcomes(len(new))
        for event in live:
            self._live.publish(event.line())
        self._append_together(new, outcomes)
        await outcomes.wait()

    async def _check_again(self, claims: Claims, commands: Sequence[SendCommand]) -> None:
        """Return when all append checks pass without an await; raise the first refusal.

        An await may make the results before it stale, so the checks are repeated.
        """
        for _ in range(_MAX_CHECKS):
            awaited = False
            for command in commands:
                pending = intercept(self._append_checks, claims, command)
                if pending is not None:
                    awaited = True
                    await pending
            if not awaited:
                return
        raise Unavailable("The room changes too fast; try again.", retry_after_seconds=1)

    def _check_change(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        """Run `change_check` for a change, unless the first event with its key is known."""
        if command.kind not in CHANGES:
            return None
        key = _key(claims, command)
        if (
            self._idempotency_keys.get(key) is not None
            or self._pending_receipts.digest(key) is not None
        ):
            return None
        return self._change_check(claims, command)

    def mark_read(self, claims: Claims, room: str, upto: str) -> None:
        """Publish to `room`, which the user is subscribed to, that they read up to event `upto`."""
        command = SendCommand.of(Action.READ, room, RoomRead(upto=upto))
        self._live.publish(_event(claims, command).line())

    async def _is_stored(self, claims: Claims, command: SendCommand) -> bool:
        """Return whether history has the message; raise KeyConflict if its data differs."""
        stored = await self._stored(claims, command)
        if stored is None:
            return False
        if not _is_same(stored[1], command):
            raise KeyConflict
        return True

    async def _stored(self, claims: Claims, command: SendCommand) -> tuple[int, Event] | None:
        """Return the event with the command's key and its position, or None."""
        audience = room_audience(command.room)
        return await self._history.by_key(audience, claims.subject, command.key)

    def _is_new(
        self, key: IdempotencyKey, event: Event, others: Mapping[IdempotencyKey, Event]
    ) -> bool:
        """Return whether `key` is unused; raise KeyConflict if its data differs.

        A send in flight counts as new: its receipt is awaited, and it is not appended again.
        """
        first, other = self._idempotency_keys.get(key), others.get(key)
        used = {
            first and position_and_digest(first)[1],
            other and digest(other.kind, other.data),
            self._pending_receipts.digest(key),
        } - {None}
        if used - {digest(event.kind, event.data)}:
            raise KeyConflict
        return first is None and other is None

    def _append_together(self, new: Mapping[IdempotencyKey, Event], outcomes: "_Outcomes") -> None:
        batches: dict[str, dict[IdempotencyKey, bytes]] = {}
        for key, event in new.items():
            if self._pending_receipts.add(key, digest(event.kind, event.data), outcomes.add):
                batches.setdefault(event.audience, {})[key] = event.line()

        def appended(keys: Iterable[IdempotencyKey], error: LogError | None) -> None:
            if error is not None:
                for key in keys:
                    self._pending_receipts.fail(key, _problem(error))

        for audience, lines in batches.items():
            done = partial(appended, tuple(lines))
            try:
                self._publisher.append_together(audience, tuple(lines.values()), done)
            except LogError as error:
                done(error)

    def _accept(self, claims: Claims, command: SendCommand, on_outcome: OnOutcome) -> None:
        if command.kind in LIVE:
            self._live.publish(_event(claims, command).line())
            on_outcome(None)
            return
        audience = room_audience(command.room)
        key = idempotency_key(audience, claims.subject, command.key)
        sent = digest(command.kind, command.data)
        first = self._idempotency_keys.get(key)
        if first is not None:
            on_outcome(_outcome(*position_and_digest(first), sent))
        elif self._pending_receipts.add(key, sent, on_outcome):
            event = _event(claims, command)
            line = event.line()
            self._sent_lines.add(line, (event, audience, key, sent))
            done = partial(self._appended, key)
            try:
                self._publisher.append(audience, line, done)
            except LogError as error:
                done(error)

    def _appended(self, key: IdempotencyKey, error: LogError | None) -> None:
        if error is not None:
            self._pending_receipts.fail(key, _problem(error))


class _Outcomes:
    """The outcomes of the sends of one transaction."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._problem: Problem | None = None
        self._complete = asyncio.Event()
        if not count:
            self._complete.set()

    def add(self, outcome: int | Problem | None) -> None:
        """Add one outcome."""
        if self._problem is None and isinstance(outcome, Problem):
            self._problem = outcome
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    async def wait(self) -> None:
        """Return when none is missing; raise the first Problem among them."""
        await self._complete.wait()
        if self._problem is not None:
            raise self._problem


def _event(claims: Claims, command: SendCommand) -> Event:
    return Event(
        command.key,
        command.kind,
        claims.subject,
        claims.name or claims.username,
        rfc3339(time.time()),
        command.data,
        command.room,
        None,
        command.headers,
    )


def _key(claims: Claims, command: SendCommand) -> IdempotencyKey:
    return idempotency_key(room_audience(command.room), claims.subject, command.key)


def _is_same(stored: Event, command: SendCommand) -> bool:
    """Return whether `stored` is what `command` sends; its content may be gone by now."""
    if stored.kind != command.kind:
        return False
    return is_redacted(stored) or digest(stored.kind, stored.data) == digest(
        command.kind, command.data
    )


def _outcome(position: int, stored: int, sent: int) -> int | Problem:
    """Return the outcome of a repeated key: the first event's position if the digests are equal."""
    return position if stored == sent else KeyConflict()


def _problem(error: LogError) -> Problem:
    if isinstance(error, LogTooLarge):
        return TooLarge("The event is too large for the log.")
    if isinstance(error, LogBusy):
        return Unavailable("Too many messages wait for the log; retry.", retry_after_seconds=1)
    if isinstance(error, LogUnusable):
        reason = "Messages cannot be stored now; send it again later with the same key."
        return Unavailable(reason, retry_after_seconds=10)
    reason = "The log did not confirm it; send it again with the same key."
    return Unavailable(reason, retry_after_seconds=1)
