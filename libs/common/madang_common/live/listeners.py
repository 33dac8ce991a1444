"""The listeners of this process, each with a queue of events."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator


class _Listener:
    """The queue of one listener, which drops the oldest events when it is full."""

    def __init__(self, backlog: int) -> None:
        self.lines: deque[bytes] = deque(maxlen=backlog)
        self.ready = asyncio.Event()


class Listeners:
    """Broadcasts events to all current listeners.

    A listener that falls more than `backlog` events behind loses the oldest.
    """

    def __init__(self, backlog: int = 10_000) -> None:
        self._backlog = backlog
        self._listeners: set[_Listener] = set()
        self.closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def broadcast(self, line: bytes) -> None:
        """Queue `line` for every listener."""
        for listener in self._listeners:
            listener.lines.append(line)
            listener.ready.set()

    async def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        """Yield new events, all that are queued in one tuple, until `close`."""
        listener = _Listener(self._backlog)
        self._listeners.add(listener)
        try:
            while not self.closed:
                await listener.ready.wait()
                listener.ready.clear()
                if listener.lines:
                    lines = tuple(listener.lines)
                    listener.lines.clear()
                    yield lines
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End all listeners."""
        self.closed = True
        for listener in self._listeners:
            listener.ready.set()
