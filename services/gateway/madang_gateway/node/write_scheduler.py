"""Coalesced writes: what one turn of the event loop has for a connection leaves in one write."""

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """Something with output that waits."""

    def flush(self) -> None:
        """Hand the waiting output to the transport."""
        ...


class WriteScheduler:
    """Flushes every connection that asked for it, once, at the end of the turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """Flush `connection` soon; call once per turn and connection."""
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self._flush)
        waiting.append(connection)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()
