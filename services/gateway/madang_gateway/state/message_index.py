"""Index of the recent events that target a message, by message."""

from collections import deque
from collections.abc import Sequence


class MessageIndex:
    """Positions of one audience's recent events that target a message: edits, replies and others.

    Plain messages are not in it.
    """

    __slots__ = ("_by_message", "_deleted", "_oldest_first")

    def __init__(self) -> None:
        self._by_message: dict[str, deque[int]] = {}
        self._deleted: dict[str, int] = {}
        """Position of the newest deletion by message."""
        self._oldest_first: deque[tuple[int, str]] = deque()

    def add(self, at: int, message: str, *, deletes: bool) -> None:
        """Add the newest event, at position `at`, which targets `message`."""
        positions = self._by_message.get(message)
        if positions is None:
            positions = self._by_message[message] = deque()
        positions.append(at)
        self._oldest_first.append((at, message))
        if deletes:
            self._deleted[message] = at

    def drop(self, at: int) -> bool:
        """Drop the events up to position `at`; return whether there are others."""
        oldest_first = self._oldest_first
        while oldest_first and oldest_first[0][0] <= at:
            dropped, message = oldest_first.popleft()
            positions = self._by_message[message]
            positions.popleft()
            if not positions:
                del self._by_message[message]
            if self._deleted.get(message) == dropped:
                del self._deleted[message]
        return bool(oldest_first)

    def positions(self, message: str) -> Sequence[int]:
        """Return the positions of the events that target `message`, oldest first."""
        return self._by_message.get(message, ())

    def is_deleted(self, message: str) -> bool:
        """Return whether the deletion of `message` is among the events."""
        return message in self._deleted
