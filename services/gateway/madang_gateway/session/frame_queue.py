"""Runs handlers in order; a handler that awaits blocks those queued behind it."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

_FRAMES_PER_TURN = 32
"""Queued frames handled in one turn of the event loop."""

Pending = Awaitable[None] | None
"""The rest of the work, to be awaited; None if there is none."""


class FrameHandler(Protocol[T]):
    """Handles frames one at a time."""

    def handle(self, frame: T) -> Pending:
        """Handle a frame, or start to."""
        ...

    def failed(self, error: Exception) -> None:
        """Handle an unexpected exception of `handle`."""
        ...

    def queued(self, frame: T) -> tuple[T, int]:
        """Return the queue entry of a frame that has to wait, and its size in bytes."""
        ...

    def queue_full(self) -> None:
        """Stop the input."""
        ...

    def queue_empty(self, size: int) -> None:
        """Resume the input; `size` bytes were queued since the queue was last empty."""
        ...


class FrameQueue(Generic[T]):
    """Passes frames to a handler in order; without a task or a queue while nothing awaits.

    It holds no reference to the handler, which holds the queue: no reference cycle.
    """

    __slots__ = ("_bytes", "_frames", "_max_bytes", "_max_frames", "_task")

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        """Report the queue as full at `max_frames` frames or `max_bytes` bytes."""
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._frames: deque[T] | None = None
        self._bytes = 0
        """Bytes queued since the queue was empty."""
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a frame is being handled or queued."""
        return self._frames is not None

    def submit(self, handler: FrameHandler[T], frame: T) -> None:
        """Let `handler` handle `frame` now, or after the frames queued before it."""
        if self._frames is not None:
            waiting, size = handler.queued(frame)
            self._bytes += size
            self._frames.append(waiting)
            if len(self._frames) >= self._max_frames or self._bytes >= self._max_bytes:
                handler.queue_full()
            return
        pending = handler.handle(frame)
        if pending is not None:
            self._frames = deque()
            self._task = asyncio.create_task(self._run(handler, pending, self._frames))

    def cancel(self) -> None:
        """Cancel the handler under way and drop the queued frames."""
        if self._task is not None:
            self._task.cancel()

    async def _run(
        self, handler: FrameHandler[T], pending: Awaitable[None], frames: deque[T]
    ) -> None:
        try:
            await pending
            handled = 0
            while frames:
                following = handler.handle(frames.popleft())
                handled += 1
                if following is not None:
                    await following
                elif handled % _FRAMES_PER_TURN == 0:
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - the handler decides what it means
            handler.failed(error)
        finally:
            self._frames = self._task = None
            size, self._bytes = self._bytes, 0
            handler.queue_empty(size)
