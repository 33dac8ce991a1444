"""Waiting for a condition that has no event."""

import asyncio
from collections.abc import Callable

_SECONDS = 30
_PAUSE_SECONDS = 0.005


async def until(holds: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Return once `holds()` is true; raise TimeoutError if that takes longer than `seconds`."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_PAUSE_SECONDS)
