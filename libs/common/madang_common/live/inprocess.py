"""Live events within one process."""

from collections.abc import AsyncGenerator

from typing_extensions import override

from madang_common.live.listeners import Listeners
from madang_common.live.port import Live


class InProcessLive(Live):
    """Broadcasts each event to the listeners of this process.

    A listener that falls more than `backlog` events behind loses the oldest.
    """

    def __init__(self, backlog: int = 10_000) -> None:
        self._listeners = Listeners(backlog)

    @override
    def publish(self, line: bytes) -> None:
        self._listeners.broadcast(line)

    @override
    def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        return self._listeners.listen()

    @override
    async def ping(self) -> None:
        if self._listeners.closed:
            raise ConnectionError("live events are closed")

    @override
    async def close(self) -> None:
        self._listeners.close()
