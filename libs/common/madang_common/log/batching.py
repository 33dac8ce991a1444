"""Lines that wait for the log, and which of them go into the next batch."""

import math
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from madang_common.log.position import MAX_LINES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Most lines and bytes of one batch."""

    lines: int = MAX_LINES
    bytes: int = 1_048_576

    def __post_init__(self) -> None:
        """Refuse limits that positions cannot express."""
        if not 1 <= self.lines <= MAX_LINES or self.bytes < 1:
            raise ValueError(f"a batch holds 1 to {MAX_LINES} lines and at least one byte")


class BatchQueue(Generic[T]):
    """Lines that wait for one shard, oldest first; each entry has a tag of its sender."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._entries: deque[tuple[tuple[bytes, ...], T, float]] = deque()
        """Lines, tag, and when they were added. Plain tuples: one is made for every event."""
        self._lines = 0
        """Lines in all entries."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest_at(self) -> float:
        """When the oldest entry was added; only if there is one."""
        return self._entries[0][2]

    def add(self, lines: tuple[bytes, ...], size: int, tag: T, at: float = 0.0) -> None:
        """Append lines of `size` bytes that go into the same batch under one tag."""
        self._entries.append((lines, tag, at))
        self._lines += len(lines)
        self.bytes += size

    def take(self, within_seconds: float = math.inf) -> tuple[tuple[bytes, ...], list[T]]:
        """Remove the oldest entries that fit into one batch; return their lines and tags.

        None of them was added more than `within_seconds` after the oldest.
        """
        entries, latest = self._entries, math.inf
        if entries:
            latest = entries[0][2] + within_seconds
        if self._fits(self._lines, self.bytes) and (not entries or entries[-1][2] <= latest):
            taken, self._entries = list(entries), deque()
        else:
            taken = self._take_first(latest)
        lines = tuple(chain.from_iterable([entry[0] for entry in taken]))
        self._lines -= len(lines)
        self.bytes -= sum(map(len, lines))
        return lines, [entry[1] for entry in taken]

    def _take_first(self, latest: float) -> list[tuple[tuple[bytes, ...], T, float]]:
        """Remove the first entry, and those after it that fit and were added up to `latest`."""
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
        """Return whether a batch can hold so many lines and bytes, line breaks included."""
        return lines <= self._limits.lines and size + lines <= self._limits.bytes
