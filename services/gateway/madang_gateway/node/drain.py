"""Drains a gateway before it stops: closes its connections evenly over time.

Each connection first gets the receipts of its sends in flight. Clients reconnect to other gateways;
if all came at once they would overload them.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Iterable, Iterator

import structlog

from madang_common import tasks
from madang_gateway.node.node import Node, NodeConnection
from madang_gateway.session import disconnects

log = structlog.get_logger()

_STEP_SECONDS = 0.02
RECEIPT_SECONDS = 3.0
"""Longest wait for the receipts of a connection; the whole stop fits into 30 s."""


class DrainSchedule:
    """Times at which connections are retired, and closed if they are still open."""

    def __init__(
        self, connections: Iterable[NodeConnection], seconds: float, receipt_seconds: float
    ) -> None:
        """Retire `connections` evenly over `seconds`; close each `receipt_seconds` later."""
        self._connections = deque(connections)
        self._retired: deque[tuple[float, NodeConnection]] = deque()
        self._receipt_seconds = receipt_seconds
        self._interval = seconds / max(1, len(self._connections))
        self._next_at = 0.0

    def due(self, now: float) -> Iterator[NodeConnection]:
        """Yield the connections to retire at `now`, in seconds since the start; `inf` yields all.

        Each is yielded once.
        """
        while self._connections and self._next_at <= now:
            self._next_at += self._interval
            yield self._connections.popleft()

    def retired(self, connection: NodeConnection, now: float) -> None:
        """Record that `connection` was retired at `now`."""
        self._retired.append((now, connection))

    def overdue(self, now: float) -> Iterator[NodeConnection]:
        """Yield the connections whose time for receipts is over at `now`, each once."""
        while self._retired and self._retired[0][0] + self._receipt_seconds <= now:
            yield self._retired.popleft()[1]


class Drain:
    """Drains a node, for a stop or because its epoch of the log has ended."""

    def __init__(self, node: Node, seconds: float) -> None:
        """Spread the closes over `seconds`."""
        self._node = node
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._counted: set[NodeConnection] = set()
        """Retired connections; a second drain does not count them again."""

    def start(self) -> None:
        """Drain in the background; the process goes on, not ready."""
        self._task = asyncio.create_task(self._drain(asyncio.Event()), name="gateway-drain")

    async def stop(self) -> None:
        """End a drain in the background."""
        if self._task is not None:
            await tasks.stop(self._task)

    async def run(self, hurry: asyncio.Event) -> None:
        """Refuse new connections and return when all are closed; `hurry` retires all at once."""
        await self.stop()
        await self._drain(hurry)

    async def _drain(self, hurry: asyncio.Event) -> None:
        node, clock = self._node, asyncio.get_running_loop().time
        node.admission.draining = True
        node.context.metrics.draining.set(1)
        log.info("drain_began", connections=len(node.connections), seconds=self._seconds)
        schedule = DrainSchedule(tuple(node.connections), self._seconds, RECEIPT_SECONDS)
        started_at = clock()
        while node.connections:
            self._step(schedule, clock() - started_at, hurried=hurry.is_set())
            await _pause(hurry)
        self._counted.clear()
        log.info("drain_ended", seconds=round(clock() - started_at, 3), hurried=hurry.is_set())

    def _step(self, schedule: DrainSchedule, now: float, *, hurried: bool) -> None:
        node = self._node
        for connection in schedule.due(math.inf if hurried else now):
            if connection in node.connections:
                self._retire(connection)
                schedule.retired(connection, now)
        for connection in schedule.overdue(now):
            connection.disconnect(disconnects.RESTARTING)

    def _retire(self, connection: NodeConnection) -> None:
        if connection not in self._counted:
            self._counted.add(connection)
            self._node.context.metrics.drained.inc()
        connection.disconnect_when_done(disconnects.RESTARTING)


async def _pause(hurry: asyncio.Event) -> None:
    """Wait for the next step; the first set of `hurry` ends the wait."""
    if hurry.is_set():
        await asyncio.sleep(_STEP_SECONDS)
    else:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STEP_SECONDS):
                await hurry.wait()
