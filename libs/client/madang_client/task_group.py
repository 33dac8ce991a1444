"""Runs coroutines together; the first error cancels the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def run_together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of `work` until one raises; cancel the others and raise its error.

    Unlike asyncio.TaskGroup it raises the error itself, not an ExceptionGroup.
    """
    tasks = [asyncio.ensure_future(piece) for piece in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
