"""Background tasks that run as long as their service."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress


def start(
    stack: AsyncExitStack, name: str, coroutine: Coroutine[None, None, None]
) -> asyncio.Task[None]:
    """Run `coroutine` as a task that is stopped when `stack` closes."""
    task = asyncio.create_task(coroutine, name=name)
    stack.push_async_callback(stop, task)
    return task


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel `task` and wait for its end; raise its error if it failed before."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def ping(task: asyncio.Task[None]) -> None:
    """Raise RuntimeError if `task` has ended."""
    if task.done():
        raise RuntimeError(f"{task.get_name()} has ended")
