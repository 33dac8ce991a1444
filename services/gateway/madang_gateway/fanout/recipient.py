"""The recipient of a subscription's messages."""

from collections.abc import Iterable
from typing import Protocol


class Recipient(Protocol):
    """Receives the messages of a subscription: the writing side of its connection."""

    @property
    def user(self) -> str:
        """Id of its user."""
        ...

    @property
    def behind(self) -> bool:
        """Whether it reads too slowly for live events."""
        ...

    @property
    def compressed(self) -> bool:
        """Whether it reads compressed WebSocket messages."""
        ...

    @property
    def sockjs(self) -> bool:
        """Whether it reads SockJS frames."""
        ...

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        ...


class AckRecipient(Recipient, Protocol):
    """Receives the messages of a subscription that the client acknowledges."""

    def offer(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Send or queue messages, each with its position, as the prefetch allows."""
        ...
