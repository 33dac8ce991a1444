"""Waiting for what nobody tells."""

import asyncio
from collections.abc import Callable

_SECONDS = 30


async def until(holds: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Return once `holds()` is true; raise TimeoutError if that takes too long."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
