"""Who listens within this process, and what each of them has not taken yet."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator


class _Listener:
    """Notices that one listener has not taken yet; the oldest go first when too many wait."""

    def __init__(self, backlog: int) -> None:
        self.lines: deque[bytes] = deque(maxlen=backlog)
        self.ready = asyncio.Event()


class Listeners:
    """Hands each notice to everyone who listens at that moment.

    A listener that falls more than `backlog` notices behind loses the oldest.
    """

    def __init__(self, backlog: int = 10_000) -> None:
        self._backlog = backlog
        self._listeners: set[_Listener] = set()
        self.closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def hand(self, line: bytes) -> None:
        """Give `line` to all of them."""
        for listener in self._listeners:
            listener.lines.append(line)
            listener.ready.set()

    async def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        """Yield the notices from now on, those that came together in one tuple, until `close`."""
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
        """End all of them."""
        self.closed = True
        for listener in self._listeners:
            listener.ready.set()
