"""Work that goes on beside the requests, for as long as its service runs."""

import asyncio
from contextlib import suppress


async def end(task: asyncio.Task[None]) -> None:
    """Cancel `task` and return when it is over; raise what it broke on, if it did before."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
