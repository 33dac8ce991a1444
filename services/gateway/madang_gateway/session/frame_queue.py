"""Runs handlers in order; a handler that awaits blocks those queued behind it."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

_SLICE = 32
"""Things handled in one turn of the event loop."""

Pending = Awaitable[None] | None
"""None if it is done, else what is still to be awaited."""


class FrameHandler(Protocol[T]):
    """Does the things."""

    def handle(self, thing: T) -> Pending:
        """Do one thing, or begin to."""
        ...

    def failed(self, error: Exception) -> None:
        """Handle an exception that nobody expected."""
        ...

    def queued(self, thing: T) -> tuple[T, int]:
        """Return what to queue for a thing that has to wait, and its size in bytes."""
        ...

    def backlog_full(self) -> None:
        """Stop the input: the backlog is full."""
        ...

    def backlog_done(self, size: int) -> None:
        """Let input in again: the backlog is empty, in which `size` bytes were queued."""
        ...


class FrameQueue(Generic[T]):
    """Gives things to a worker; as long as nothing has to wait, without a task or a queue.

    It does not hold the worker, which holds it.
    """

    __slots__ = ("_backlog", "_bytes", "_limit", "_limit_bytes", "_task")

    def __init__(self, limit: int, limit_bytes: int) -> None:
        """Tell the worker when `limit` things wait, or things of `limit_bytes`."""
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._backlog: deque[T] | None = None
        self._bytes = 0
        """Bytes queued since the backlog was empty."""
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._backlog is not None

    def take(self, worker: FrameHandler[T], thing: T) -> None:
        """Let `worker` do `thing` now, or behind what waits."""
        if self._backlog is not None:
            queued, size = worker.queued(thing)
            self._bytes += size
            self._backlog.append(queued)
            if len(self._backlog) >= self._limit or self._bytes >= self._limit_bytes:
                worker.backlog_full()
            return
        pending = worker.handle(thing)
        if pending is not None:
            self._backlog = deque()
            self._task = asyncio.create_task(self._work(worker, pending, self._backlog))

    def cancel(self) -> None:
        """Give up what is under way and what waits."""
        if self._task is not None:
            self._task.cancel()

    async def _work(
        self, worker: FrameHandler[T], pending: Awaitable[None], backlog: deque[T]
    ) -> None:
        try:
            await pending
            done = 0
            while backlog:
                following = worker.handle(backlog.popleft())
                done += 1
                if following is not None:
                    await following
                elif done % _SLICE == 0:
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - the worker tells what it means
            worker.failed(error)
        finally:
            self._backlog = self._task = None
            size, self._bytes = self._bytes, 0
            worker.backlog_done(size)
