"""One thing after the other: what has to wait for something makes the rest wait behind it."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Pending = Awaitable[None] | None
"""None if it is done, else what is still to be awaited."""


class Worker(Protocol[T_contra]):
    """Does the things."""

    def handle(self, thing: T_contra) -> Pending:
        """Do one thing, or begin to."""
        ...

    def failed(self, error: Exception) -> None:
        """Hear that something went wrong that nobody expected."""
        ...

    def backlog_full(self) -> None:
        """Hear that no more should come for now."""
        ...

    def backlog_done(self) -> None:
        """Hear that nothing waits any more."""
        ...


class InOrder(Generic[T]):
    """Gives things to a worker; as long as nothing has to wait, without a task or a queue.

    It does not hold the worker, which holds it.
    """

    __slots__ = ("_backlog", "_limit", "_task")

    def __init__(self, limit: int) -> None:
        """Tell the worker when `limit` things wait."""
        self._limit = limit
        self._backlog: deque[T] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._backlog is not None

    def take(self, worker: Worker[T], thing: T) -> None:
        """Let `worker` do `thing` now, or behind what waits."""
        if self._backlog is not None:
            self._backlog.append(thing)
            if len(self._backlog) >= self._limit:
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

    async def _work(self, worker: Worker[T], pending: Awaitable[None], backlog: deque[T]) -> None:
        try:
            await pending
            while backlog:
                following = worker.handle(backlog.popleft())
                if following is not None:
                    await following
        except Exception as error:  # noqa: BLE001 - the worker tells what it means
            worker.failed(error)
        finally:
            self._backlog = self._task = None
            worker.backlog_done()
