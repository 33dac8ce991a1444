"""The port of dead letters: lines of the log that cannot be stored as events.

DeadLettersUnavailable   the dead letter may or may not have been stored; retry
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class DeadLettersUnavailable(Exception):  # noqa: N818 - names a state
    """The storage of dead letters does not answer."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that cannot be stored as an event, its position, and the reason."""

    shard: int
    position: int
    line: bytes
    reason: str


class DeadLetters(Protocol):
    """Dead letters, oldest first. Each method may raise DeadLettersUnavailable."""

    async def add(self, letter: DeadLetter) -> None:
        """Store `letter`; return when it is durable. A repeated call may store it twice."""
        ...

    async def visit(self, settle: Callable[[DeadLetter], Awaitable[bool]], *, most: int) -> None:
        """Call `settle` with up to `most` of the oldest; delete a letter if it returns True.

        All others stay, including one for which `settle` raises; those that were visited may then
        come after those that were not.
        """
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...
