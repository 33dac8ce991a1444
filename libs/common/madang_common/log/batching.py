"""Which waiting lines go into the next batch."""

import math
from collections import deque
from dataclasses import dataclass
from itertools import chain
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
        self._entries: deque[tuple[tuple[bytes, ...], T, float]] = deque()
        self._count = 0
        """Lines in all entries."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest_at(self) -> float:
        """When the line was added that is the first to go; only if any waits."""
        return self._entries[0][2]

    def add(self, line: bytes, tag: T, at: float = 0.0) -> None:
        """Put `line`, which came at `at`, at the end."""
        self._entries.append(((line,), tag, at))
        self._count += 1
        self.bytes += len(line)

    def add_together(self, lines: tuple[bytes, ...], tag: T, at: float = 0.0) -> None:
        """Put `lines`, which one batch can hold, at the end; they stay together, under one tag."""
        self._entries.append((lines, tag, at))
        self._count += len(lines)
        self.bytes += sum(map(len, lines))

    def take(self, within_seconds: float = math.inf) -> tuple[tuple[bytes, ...], list[T]]:
        """Remove and return as many of the oldest lines as one batch may hold, and their tags.

        None of them came more than `within_seconds` after the oldest.
        """
        entries, latest = self._entries, math.inf
        if entries:
            latest = entries[0][2] + within_seconds
        if self._fits(self._count, self.bytes) and (not entries or entries[-1][2] <= latest):
            taken, self._entries = list(entries), deque()
        else:
            taken = self._first_of(latest)
        lines = tuple(chain.from_iterable([entry[0] for entry in taken]))
        self._count -= len(lines)
        self.bytes -= sum(map(len, lines))
        return lines, [entry[1] for entry in taken]

    def _first_of(self, latest: float) -> list[tuple[tuple[bytes, ...], T, float]]:
        """Remove and return what fits of what came up to `latest`, and the first in any case."""
        taken: list[tuple[tuple[bytes, ...], T, float]] = []
        count = size = 0
        while self._entries and self._entries[0][2] <= latest:
            lines = self._entries[0][0]
            count += len(lines)
            size += sum(map(len, lines))
            if taken and not self._fits(count, size):
                break
            taken.append(self._entries.popleft())
        return taken

    def _fits(self, lines: int, size: int) -> bool:
        """Tell whether a batch can hold so many lines and their bytes, line ends included."""
        return lines <= self._limits.lines and size + lines <= self._limits.bytes
