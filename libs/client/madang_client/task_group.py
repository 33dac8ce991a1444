"""Several pieces of work that stand and fall together."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def race(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of `work` until one raises, then cancel the others and raise that.

    Unlike a TaskGroup it raises the error itself, not a group of one.
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
