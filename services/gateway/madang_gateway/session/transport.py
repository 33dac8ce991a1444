"""The WebSocket connection under a session, as the session uses it."""

from collections.abc import Sequence
from typing import Protocol

from madang_gateway.session.disconnects import Disconnect
from madang_gateway.subscribe.subscribing_session import Output


class SessionOutput(Output, Protocol):
    """Writing side of the connection."""

    user: str
    """Id of the session's user; the session sets it at CONNECT."""


class Transport(Protocol):
    """The WebSocket connection under a session."""

    @property
    def versions(self) -> Sequence[str]:
        """STOMP versions that CONNECT may negotiate, best first."""
        ...

    def send_close(self, why: Disconnect) -> None:
        """Send pending output and a close frame, then close the connection."""
        ...

    def pause_reading(self) -> None:
        """Stop reading from the peer."""
        ...

    def resume_reading(self) -> None:
        """Read from the peer again, received bytes first."""
        ...
