"""The bytes that one connection of the load sends, independent of the protocol."""

from dataclasses import dataclass
from typing import Self

SLOT = b"########"
"""Placeholder in a payload for the message's number, of the same length."""


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to send while opening, and the pattern that the answer matches when it is complete."""

    sent: bytes
    answer: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A frame to send again and again, with a number of its own each time."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, frame: bytes) -> Self:
        """Split `frame` at its slot."""
        before, after = frame.split(SLOT)
        return cls(before, after)

    def numbered(self, first: int, count: int) -> bytes:
        """Return `count` frames, numbered from `first`."""
        return b"".join(
            [b"%b%08d%b" % (self.before, n, self.after) for n in range(first, first + count)]
        )


@dataclass(frozen=True, slots=True)
class VirtualClient:
    """One connection: its opening, and the frames it sends."""

    opening: tuple[Step, ...]
    lines: tuple[Line, ...]
    """Frames that it sends in rotation."""
    in_flight: int = 0
    """Messages it keeps in flight; 0 if it only listens."""

    def said(self, first: int, count: int) -> bytes:
        """Return its messages from number `first` on."""
        if len(self.lines) == 1:
            return self.lines[0].numbered(first, count)
        numbers = range(first, first + count)
        return b"".join([self.lines[n % len(self.lines)].numbered(n, 1) for n in numbers])


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """Connections measured together."""

    clients: tuple[VirtualClient, ...]
    mark: bytes
    """Bytes, best a single one, that stand once in each frame that counts and nowhere else."""
    copies: int
    """Frames that count per message sent."""
