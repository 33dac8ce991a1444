"""Work that goes on beside the requests, for as long as its service runs."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress


def begin(
    stack: AsyncExitStack, name: str, work: Coroutine[None, None, None]
) -> asyncio.Task[None]:
    """Let `work` go on until `stack` is left."""
    task = asyncio.create_task(work, name=name)
    stack.push_async_callback(end, task)
    return task


async def end(task: asyncio.Task[None]) -> None:
    """Cancel `task` and return when it is over; raise what it broke on, if it did before."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
