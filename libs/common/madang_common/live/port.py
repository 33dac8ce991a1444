"""The port of live events: broadcast at most once to all processes that listen."""

from collections.abc import AsyncGenerator
from typing import Protocol


class Live(Protocol):
    """Broadcasts events, one JSON event per line; may drop them under load."""

    def publish(self, line: bytes) -> None:
        """Broadcast `line`; never blocks, never raises."""
        ...

    def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        """Yield new events, all that are queued in one tuple."""
        ...

    async def ping(self) -> None:
        """Raise ConnectionError unless events can be sent and received."""
        ...

    async def close(self) -> None:
        """End all listeners."""
        ...
