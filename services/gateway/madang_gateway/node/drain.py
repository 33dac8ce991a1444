"""The end of a gateway process: its connections go elsewhere, a few at a time, and nothing is lost.

All at once they would come down together on the gateways that are left.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import structlog

from madang_gateway.node.node import Node, Ticking
from madang_gateway.session import disconnects

log = structlog.get_logger()

_STEP_SECONDS = 0.02
RECEIPT_SECONDS = 3.0
"""Longest wait for what a connection sent before; with all other waits it fits in a stop's 30 s."""

T = TypeVar("T")


class Turns(Generic[T]):
    """Who goes when: one after the other, evenly; who stays too long after that is put out."""

    def __init__(self, waiting: Iterable[T], seconds: float, patience_seconds: float) -> None:
        """Let `waiting` go within `seconds`, and give each of them `patience_seconds` to do so."""
        self._waiting = deque(waiting)
        self._told: deque[tuple[float, T]] = deque()
        self._patience = patience_seconds
        self._every = seconds / max(1, len(self._waiting))
        self._next_at = 0.0

    def due(self, now: float) -> Iterator[T]:
        """Yield who is to go at `now`, in seconds since the beginning; `inf` is everyone."""
        while self._waiting and self._next_at <= now:
            self._next_at += self._every
            yield self._waiting.popleft()

    def told(self, who: T, now: float) -> None:
        """Note that `who` was asked to go at `now`."""
        self._told.append((now, who))

    def overdue(self, now: float) -> Iterator[T]:
        """Yield who should be gone at `now`."""
        while self._told and self._told[0][0] + self._patience <= now:
            yield self._told.popleft()[1]


class Drain:
    """Sends everyone elsewhere, each after its sends under way are acknowledged."""

    def __init__(self, node: Node, seconds: float) -> None:
        """Take `seconds` for it."""
        self._node = node
        self._seconds = seconds

    async def run(self, hurry: asyncio.Event) -> None:
        """Take nobody more, and return when all are gone; without their turns after `hurry`."""
        node, clock = self._node, asyncio.get_running_loop().time
        node.admission.draining = True
        node.shared.metrics.draining.set(1)
        log.info("drain_began", connections=len(node.connections), seconds=self._seconds)
        turns = Turns(tuple(node.connections), self._seconds, RECEIPT_SECONDS)
        begun = clock()
        while node.connections:
            self._step(turns, clock() - begun, hurried=hurry.is_set())
            await _pause(hurry)
        log.info("drain_ended", seconds=round(clock() - begun, 3), hurried=hurry.is_set())

    def _step(self, turns: Turns[Ticking], now: float, *, hurried: bool) -> None:
        node = self._node
        for connection in turns.due(math.inf if hurried else now):
            if connection in node.connections:
                node.shared.metrics.drained.inc()
                connection.disconnect_when_done(disconnects.RESTARTING)
                turns.told(connection, now)
        for connection in turns.overdue(now):
            connection.disconnect(disconnects.RESTARTING)


async def _pause(hurry: asyncio.Event) -> None:
    """Wait a moment, which `hurry` cuts short once."""
    if hurry.is_set():
        await asyncio.sleep(_STEP_SECONDS)
    else:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STEP_SECONDS):
                await hurry.wait()
