"""Which waiting lines go into the next batch."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from madang_common.log.position import MAX_LINES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Most lines and bytes that one batch may hold."""

    lines: int = MAX_LINES
    bytes: int = 1_048_576

    def __post_init__(self) -> None:
        """Refuse limits that positions cannot express."""
        if not 1 <= self.lines <= MAX_LINES or self.bytes < 1:
            raise ValueError(f"a batch holds 1 to {MAX_LINES} lines and at least one byte")


class Waiting(Generic[T]):
    """Lines waiting for one shard, oldest first, each with what its sender hangs on it."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._lines: deque[tuple[bytes | tuple[bytes, ...], T]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes, tag: T) -> None:
        """Put `line` at the end."""
        self._lines.append((line, tag))
        self.bytes += len(line)

    def add_together(self, lines: tuple[bytes, ...], tag: T) -> None:
        """Put `lines`, which one batch can hold, at the end; they stay together, under one tag."""
        self._lines.append((lines, tag))
        self.bytes += sum(map(len, lines))

    def take(self) -> tuple[tuple[bytes, ...], list[T]]:
        """Remove and return as many of the oldest lines as one batch may hold, and their tags."""
        room = self._limits.bytes
        lines: list[bytes] = []
        tags: list[T] = []
        while self._lines and len(lines) < self._limits.lines:
            found, tag = self._lines[0]
            if isinstance(found, bytes):
                room -= len(found) + 1
                if room < 0 and lines:
                    break
                lines.append(found)
                self.bytes -= len(found)
            else:
                size = sum(map(len, found))
                room -= size + len(found)
                if lines and (room < 0 or len(lines) + len(found) > self._limits.lines):
                    break
                lines += found
                self.bytes -= size
            self._lines.popleft()
            tags.append(tag)
        return tuple(lines), tags
