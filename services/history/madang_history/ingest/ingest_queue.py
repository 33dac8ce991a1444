"""Batches that were read from the log and wait to be stored, bounded in bytes."""

import asyncio
from collections import deque

from madang_common.log.port import Batch


class IngestQueue:
    """Queue between the reader of a shard and its writer."""

    def __init__(self, *, max_bytes: int, batch_events: int) -> None:
        """Hold about `max_bytes`; `take` returns batches until they have `batch_events` events."""
        self._max_bytes = max_bytes
        self._batch_events = batch_events
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def oldest(self) -> Batch | None:
        """The batch that is taken next."""
        return self._batches[0] if self._batches else None

    async def put(self, batch: Batch) -> None:
        """Wait for space and add `batch`; an empty queue accepts a batch of any size."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < self._max_bytes)
            self._batches.append(batch)
            self._bytes += _size(batch)
            self._changed.notify_all()

    async def close(self) -> None:
        """Add nothing more: once the queue is empty, `take` returns nothing."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self) -> list[Batch]:
        """Wait for a batch; return it with the following ones that fit into the same write.

        Return nothing if the queue is closed and empty.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or bool(self._batches))
            taken: list[Batch] = []
            events = 0
            while self._batches and events < self._batch_events:
                batch = self._batches.popleft()
                taken.append(batch)
                events += len(batch.lines)
                self._bytes -= _size(batch)
            self._changed.notify_all()
            return taken


def _size(batch: Batch) -> int:
    return sum(map(len, batch.lines))
