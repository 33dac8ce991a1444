"""Coalesced writes: the output of one turn of the event loop leaves in one write per connection."""

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """A connection with buffered output."""

    def flush(self) -> None:
        """Write the buffered output to the transport."""
        ...


class WriteScheduler:
    """Flushes each connection that was added, once, at the end of the turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._added: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """Flush `connection` at the end of this turn; call at most once per turn."""
        added = self._added
        if not added:
            self._loop.call_soon(self._flush)
        added.append(connection)

    def _flush(self) -> None:
        added, self._added = self._added, []
        for connection in added:
            connection.flush()
