"""Live notices within one process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from typing_extensions import override

from madang_common.live.port import Live


class _Listener:
    """Notices that one listener has not taken yet; the oldest go first when too many wait."""

    def __init__(self, backlog: int) -> None:
        self.lines: deque[bytes] = deque(maxlen=backlog)
        self.ready = asyncio.Event()


class InProcessLive(Live):
    """Hands each notice to every listener of this process.

    A listener that falls more than `backlog` notices behind loses the oldest.
    """

    def __init__(self, backlog: int = 10_000) -> None:
        self._backlog = backlog
        self._listeners: set[_Listener] = set()
        self._closed = False

    @override
    def publish(self, line: bytes) -> None:
        for listener in self._listeners:
            listener.lines.append(line)
            listener.ready.set()

    @override
    async def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        listener = _Listener(self._backlog)
        self._listeners.add(listener)
        try:
            while not self._closed:
                await listener.ready.wait()
                listener.ready.clear()
                if listener.lines:
                    lines = tuple(listener.lines)
                    listener.lines.clear()
                    yield lines
        finally:
            self._listeners.discard(listener)

    @override
    async def ping(self) -> None:
        if self._closed:
            raise ConnectionError("live notices are closed")

    @override
    async def close(self) -> None:
        self._closed = True
        for listener in self._listeners:
            listener.ready.set()
