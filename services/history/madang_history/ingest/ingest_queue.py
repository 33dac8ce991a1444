"""Batches read from the log and not yet taken to the store, bounded in bytes."""

import asyncio
from collections import deque

from madang_common.log.port import Batch


class IngestQueue:
    """Between the one that follows a shard and the one that stores it."""

    def __init__(self, *, most_bytes: int, take_events: int) -> None:
        """Hold about `most_bytes`; give out batches until they have `take_events` events."""
        self._most_bytes = most_bytes
        self._take_events = take_events
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._changed = asyncio.Condition()

    @property
    def oldest(self) -> Batch | None:
        """The batch that will be taken next."""
        return self._batches[0] if self._batches else None

    async def put(self, batch: Batch) -> None:
        """Add `batch`, once there is room; one batch always fits into an empty backlog."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < self._most_bytes)
            self._batches.append(batch)
            self._bytes += _size(batch)
            self._changed.notify_all()

    async def take(self) -> list[Batch]:
        """Wait for a batch, and return it with those after it that may go into the same write."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._batches))
            taken: list[Batch] = []
            events = 0
            while self._batches and events < self._take_events:
                batch = self._batches.popleft()
                taken.append(batch)
                events += len(batch.lines)
                self._bytes -= _size(batch)
            self._changed.notify_all()
            return taken


def _size(batch: Batch) -> int:
    return sum(map(len, batch.lines))
