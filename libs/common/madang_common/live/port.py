"""The live-events port: every notice to every process that listens now, or to nobody."""

from collections.abc import AsyncGenerator
from typing import Protocol


class Live(Protocol):
    """Carries notices, one JSON event a line, to all listeners; may drop them under pressure."""

    def publish(self, line: bytes) -> None:
        """Send `line` to everyone who listens; never wait, never fail."""
        ...

    def listen(self) -> AsyncGenerator[tuple[bytes, ...]]:
        """Yield the notices from now on, those that came together in one tuple."""
        ...

    async def ping(self) -> None:
        """Return if notices can flow; raise ConnectionError if not."""
        ...

    async def close(self) -> None:
        """End the listeners."""
        ...
