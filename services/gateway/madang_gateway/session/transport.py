"""What a session needs of the WebSocket connection under it."""

from collections.abc import Sequence
from typing import Protocol

from madang_gateway.fanout.recipient import Recipient
from madang_gateway.session.disconnects import Disconnect


class Transport(Recipient, Protocol):
    """The WebSocket connection under a session."""

    @property
    def versions(self) -> Sequence[str]:
        """The STOMP versions that CONNECT may choose from, best first."""
        ...

    def close(self, why: Disconnect) -> None:
        """Send what waits, then close."""
        ...

    def pause_reading(self) -> None:
        """Take nothing more from the peer for now."""
        ...

    def resume_reading(self) -> None:
        """Go on taking from the peer."""
        ...

    async def drained(self) -> None:
        """Return when the peer has taken most of what was sent."""
        ...
