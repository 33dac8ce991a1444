"""The dead port: what an adapter must do to keep lines of the log that are no events.

DeadLinesUnavailable   whether the line was kept is not known; try again
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


class DeadLinesUnavailable(Exception):  # noqa: N818 - reads as the state it tells
    """The place where dead lines are kept does not answer."""


@dataclass(frozen=True, slots=True)
class DeadLine:
    """A line that cannot be stored as an event, where it stood, and why."""

    shard: int
    position: int
    line: bytes
    reason: str


class DeadLines(Protocol):
    """Dead lines, oldest first. Each method raises DeadLinesUnavailable."""

    async def put(self, dead: DeadLine) -> None:
        """Keep `dead`; return when that is durable. It may be kept twice if it is put twice."""
        ...

    async def visit(self, settle: Callable[[DeadLine], Awaitable[bool]], *, most: int) -> None:
        """Call `settle` with up to `most` of the oldest lines; let go of one if that returns True.

        All others stay, and so does one that `settle` raises on; those that it was called with may
        then come after those that it was not.
        """
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
