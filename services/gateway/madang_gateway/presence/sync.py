"""Keeps the board up to date with who is here, beside everything else that the gateway does."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_gateway.metrics import Metrics
from madang_gateway.presence.local import LocalPresence
from madang_gateway.presence.notices import Notices
from madang_gateway.presence.port import (
    Batch,
    BoardError,
    Forgotten,
    Place,
    PresenceChange,
    PresenceStore,
)

log = structlog.get_logger()

CHUNK = 256
"""Most changes of one write; a board does nothing else meanwhile."""
_PAUSE_SECONDS = 0.02
"""Between two writes, in which changes gather."""
_RETRY_SECONDS = 0.5
_BELIEVED = 0.6
_RENEWED = 0.2
"""Shares of `presence_seconds`: twice in vain, and there is time left to renew and to clear."""
_STOP_SECONDS = 1.0


@dataclass(slots=True)
class _Enrolment:
    """This gateway as the board knows it, under an id that is never used again."""

    gateway: str
    number: int = 0
    """Of the last batch that the board has."""


class PresenceSync:
    """Writes changes in batches, renews the gateway's time, clears away after dead gateways.

    When the board has forgotten this gateway (it was started anew, or the others cleared away
    after this one, which was only paused) it enrolls under a new id and writes everything again;
    what is still there under the old id is cleared when its time is over.

    Only who was in touch with the board for as long as a gateway is believed clears away after
    others: when the board was away, they too need a moment to come back.
    """

    def __init__(
        self,
        board: PresenceStore,
        here: LocalPresence,
        notices: Notices,
        *,
        seconds: float,
        grace_seconds: float,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Let nobody be shown longer than `seconds` after their gateway died.

        A gateway that stops is believed `grace_seconds` more, in which its users come back
        elsewhere. `clock` is steady, and the same that `here` has.
        """
        self._board = board
        self._here = here
        self._notices = notices
        self._believed_seconds = seconds * _BELIEVED
        self._renew_seconds = seconds * _RENEWED
        self._grace_seconds = grace_seconds
        self._metrics = metrics
        self._clock = clock
        self._enrolment: _Enrolment | None = None
        self._life: str | None = None
        self._batch: Batch | None = None
        """Written perhaps; to be written again until it is known to be."""
        self._renewed_at = 0.0
        self._in_touch_since: float | None = None
        self._away = False
        self._hold_until = 0.0
        """Who leaves is not written before: the other gateways may not have written theirs."""
        self._quiet: set[Place] = set()
        """Present all the time, whatever the board has lost."""
        self._dead: list[str] = []
        self._stirred = asyncio.Event()
        here.on_change = self._stirred.set
        metrics.presence_here.set_function(lambda: len(here))

    async def keep(self) -> None:
        """Work for as long as the gateway runs."""
        while True:
            try:
                await self._step()
                self._away = False
            except Forgotten:
                self._start_over()
            except BoardError as error:
                self._stumbled(error)
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                log.exception("presence_failed")
                self._start_over()
                await asyncio.sleep(_RETRY_SECONDS)
            await self._pause()

    async def stop(self) -> None:
        """Leave what is on the board to the other gateways, after a moment."""
        if self._enrolment is not None:
            with suppress(BoardError, TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._board.retire(self._enrolment.gateway, self._grace_seconds)

    async def _step(self) -> None:
        """Do one thing that is due, or nothing."""
        enrolment = self._enrolment or await self._enroll()
        if self._batch is None:
            self._batch = self._next_batch(enrolment)
        if self._batch is not None:
            await self._write(enrolment, self._batch)
        if self._clock() - self._renewed_at >= self._renew_seconds:
            await self._renew(enrolment)
        if self._dead:
            await self._clear()

    async def _enroll(self) -> _Enrolment:
        enrolment = _Enrolment(new_id())
        now = self._clock()
        life = await self._board.enroll(enrolment.gateway, self._believed_seconds)
        noted = self._here.start_over()
        if self._life not in {None, life}:
            # Nobody was told that these left.
            self._quiet = noted
            self._hold_until = now + self._believed_seconds
        self._life = life
        self._enrolment = enrolment
        self._renewed_at = self._in_touch_since = now
        log.info("presence_enrolled", gateway=enrolment.gateway, here=len(self._here))
        return enrolment

    def _next_batch(self, enrolment: _Enrolment) -> Batch | None:
        joined, left = self._here.take(CHUNK, leaving=self._clock() >= self._hold_until)
        return Batch(enrolment.number + 1, joined, left) if joined or left else None

    async def _write(self, enrolment: _Enrolment, batch: Batch) -> None:
        outcome = await self._board.write(enrolment.gateway, batch)
        self._batch = None
        enrolment.number = batch.number
        self._notices.left(outcome.left)
        self._notices.joined(self._news(outcome.joined))
        if self._quiet:
            self._quiet.difference_update(stay.place for stay in batch.joined)

    def _news(self, joined: Iterable[PresenceChange]) -> list[PresenceChange]:
        return [turn for turn in joined if turn.stay.place not in self._quiet]

    async def _renew(self, enrolment: _Enrolment) -> None:
        now = self._clock()
        self._dead = list(
            await self._board.renew(enrolment.gateway, enrolment.number, self._believed_seconds)
        )
        if self._in_touch_since is None or now - self._renewed_at > 2 * self._renew_seconds:
            self._in_touch_since = now
        self._renewed_at = now
        if now - self._in_touch_since < self._believed_seconds:
            self._dead = []

    async def _clear(self) -> None:
        """Take some notes of a dead gateway away, and tell who is gone with it."""
        dead = self._dead[-1]
        cleared = await self._board.clear(dead, CHUNK)
        self._notices.left(cleared.left)
        self._metrics.presence_cleared.inc(len(cleared.left))
        if cleared.done:
            self._dead.pop()
            log.info("presence_cleared", gateway=dead)

    def _start_over(self) -> None:
        """Enroll anew, and write everything again."""
        self._metrics.presence_heals.inc()
        self._enrolment = None
        self._dead = []
        self._quiet = set()
        batch, self._batch = self._batch, None
        if batch is not None:
            self._here.put_back(batch.joined, batch.left)

    def _stumbled(self, error: BoardError) -> None:
        self._metrics.presence_failures.inc()
        if not self._away:
            log.warning("presence_board_away", error=str(error))
        self._away = True
        self._in_touch_since = None
        self._dead = []

    async def _pause(self) -> None:
        """Return when something is due, though not at once."""
        await asyncio.sleep(_PAUSE_SECONDS)
        self._stirred.clear()
        seconds = self._due_at() - self._clock()
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stirred.wait()

    def _due_at(self) -> float:
        """Return when there is something to do."""
        if self._enrolment is None or self._batch is not None or self._dead:
            return self._clock()
        due = self._renewed_at + self._renew_seconds
        changes_at = self._here.next_at(leaving=False)
        if changes_at is None:
            leaving_at = self._here.next_at()
            if leaving_at is not None:
                changes_at = max(leaving_at, self._hold_until)
        return due if changes_at is None else min(due, changes_at)
