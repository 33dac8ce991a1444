"""What the bench must know of a chat to measure it."""

from pathlib import Path
from typing import Protocol

from bench.deadline import Deadline
from bench.seat import Seat

TEXT = "A line of chat, about as long as the lines that people write to each other at work"
"""What everybody says; it holds none of the bytes that count frames."""


class Seating(Protocol):
    """Rooms and users that exist, ready to be connected to."""

    def seat(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> Seat:
        """Return the seat `number`, in the room `number` modulo rooms.

        With `receipts` each message that it sends asks for an acknowledgement.
        """
        ...


class Side(Protocol):
    """One of the chats."""

    name: str
    title: str
    echo_mark: bytes
    """A byte that stands exactly once in each message delivered."""
    receipt_mark: bytes
    """A byte that stands exactly once in each acknowledgement, and in no message delivered."""
    acknowledgement: str
    """What an acknowledgement means here."""

    def command(self, port: int) -> list[str]:
        """Return the command that serves on `port`."""
        ...

    def environment(self, port: int, folder: Path) -> dict[str, str]:
        """Return the variables that the command needs; `folder` is for what it stores."""
        ...

    def furnish(self, url: str, *, users: int, rooms: int, deadline: Deadline) -> Seating:
        """Make `rooms` rooms, with `users` users in each or one room per user's turn."""
        ...
