"""Forgets what has expired, now and then."""

import asyncio

import structlog

from madang_auth.sessions.port import Sessions
from madang_auth.throttle.port import Throttle
from madang_common.clock import Clock
from madang_common.problems import Problem

log = structlog.get_logger()


async def sweep_forever(
    sessions: Sessions, throttle: Throttle, *, pause_seconds: float, clock: Clock
) -> None:
    """Sweep both stores, pause, and so on until cancelled."""
    while True:
        try:
            logins = await sessions.sweep(now=clock())
            buckets = await throttle.sweep(now=clock())
            log.debug("swept", logins=logins, buckets=buckets)
        except Problem as problem:
            log.warning("sweep_failed", type=problem.type)
        await asyncio.sleep(pause_seconds)
