"""Periodic deletion of expired records, for stores that do not expire them by themselves."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import structlog

from madang_common.clock import Clock
from madang_common.problems import Problem

log = structlog.get_logger()


class DeleteExpired(Protocol):
    """Deletes the expired records of a store and returns how many."""

    async def __call__(self, *, now: float) -> int:
        """Delete the records that expired before `now`."""
        ...


async def delete_expired_forever(
    stores: Mapping[str, DeleteExpired], *, pause_seconds: float, clock: Clock
) -> None:
    """Delete the expired records of all `stores`, pause, and repeat until cancelled.

    The keys of `stores` name the counts in the log.
    """
    while True:
        try:
            counts = {name: await delete(now=clock()) for name, delete in stores.items()}
            log.debug("swept", **counts)
        except Problem as problem:
            log.warning("sweep_failed", type=problem.type)
        await asyncio.sleep(pause_seconds)
