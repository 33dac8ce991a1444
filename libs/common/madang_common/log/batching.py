"""Which waiting lines go into the next batch."""

import math
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
        self._lines: deque[tuple[bytes | tuple[bytes, ...], T, float]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def oldest_at(self) -> float:
        """When the line was added that is the first to go; only if any waits."""
        return self._lines[0][2]

    def add(self, line: bytes, tag: T, at: float = 0.0) -> None:
        """Put `line`, which came at `at`, at the end."""
        self._lines.append((line, tag, at))
        self.bytes += len(line)

    def add_together(self, lines: tuple[bytes, ...], tag: T, at: float = 0.0) -> None:
        """Put `lines`, which one batch can hold, at the end; they stay together, under one tag."""
        self._lines.append((lines, tag, at))
        self.bytes += sum(map(len, lines))

    def take(self, within_seconds: float = math.inf) -> tuple[tuple[bytes, ...], list[T]]:
        """Remove and return as many of the oldest lines as one batch may hold, and their tags.

        None of them came more than `within_seconds` after the oldest.
        """
        room = self._limits.bytes
        lines: list[bytes] = []
        tags: list[T] = []
        latest = self._lines[0][2] + within_seconds if self._lines else 0.0
        while self._lines and len(lines) < self._limits.lines:
            found, tag, at = self._lines[0]
            if at > latest:
                break
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
