"""Waits until history has stored the events of a test."""

import asyncio

from fastapi import FastAPI

PATIENCE_SECONDS = 20


async def stored(app: FastAPI, shard: int, offset: int) -> None:
    """Return when `shard` is stored up to `offset`."""
    gauge = ("madang_history_stored_offset", {"shard": str(shard)})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (app.state.registry.get_sample_value(*gauge) or 0) < offset:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.001)
