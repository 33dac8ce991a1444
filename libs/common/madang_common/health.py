"""Health: live (the process runs) and ready (it can serve).

| status | HTTP | meaning |
| --- | --- | --- |
| `ok` | 200 | everything works |
| `degraded` | 200 | an optional dependency is unavailable; requests that need it are refused |
| `unavailable` | 503 | a required dependency is unavailable, or the process drains |

A platform takes a replica that is not ready out of rotation. A dependency is therefore required
only if the replica can serve nothing without it; otherwise an outage of a shared server would take
all replicas away at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Ping = Callable[[], Awaitable[None]]
"""Returns if the dependency answers, raises if it does not."""

_READY_SECONDS = 2.0
_SCRAPE_SECONDS = 0.5
"""Longest wait of a scrape for the dependencies."""
_SCRAPE_AGE_SECONDS = 1.0
"""Age up to which a scrape uses the last check."""


class Status(StrEnum):
    """Readiness of a process; also the state of a dependency that answers."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Health:
    """Pings all dependencies concurrently, within a time limit."""

    def __init__(
        self,
        required: Mapping[str, Ping],
        *,
        optional: Mapping[str, Ping] | None = None,
        timeout_seconds: float = _READY_SECONDS,
    ) -> None:
        """Check these dependencies, by name; a failed `required` one means unavailable."""
        self.required = required
        self.optional = optional or {}
        self._timeout = timeout_seconds
        self._last: dict[str, str] = {}
        self._checked_at = float("-inf")

    async def check(self, timeout_seconds: float | None = None) -> dict[str, str]:
        """Return `ok`, or the failure, for each dependency."""
        timeout = self._timeout if timeout_seconds is None else timeout_seconds
        pings = {**self.required, **self.optional}
        states = await asyncio.gather(*(_state(ping, timeout) for ping in pings.values()))
        self._last = dict(zip(pings, states, strict=True))
        self._checked_at = time.monotonic()
        return self._last

    async def up(self) -> dict[str, bool]:
        """Return whether each dependency answers, for metrics, from a check of the last second."""
        if time.monotonic() - self._checked_at > _SCRAPE_AGE_SECONDS:
            await self.check(_SCRAPE_SECONDS)
        return {name: state == Status.OK for name, state in self._last.items()}

    def status(self, states: Mapping[str, str]) -> Status:
        """Return the status of the process, given the states of its dependencies."""
        failed = {name for name, state in states.items() if state != Status.OK}
        if failed & self.required.keys():
            return Status.UNAVAILABLE
        return Status.DEGRADED if failed else Status.OK


async def _state(ping: Ping, timeout_seconds: float) -> str:
    try:
        async with asyncio.timeout(timeout_seconds):
            await ping()
    except TimeoutError:
        return "no answer in time"
    except Exception as error:  # noqa: BLE001 - any failure means that it does not answer
        return type(error).__name__
    return Status.OK


def health_router(health: Health) -> APIRouter:
    """Return `/health/live` and `/health/ready`."""
    router = APIRouter(prefix="/health", include_in_schema=False)

    @router.get("/live")
    async def live() -> dict[str, str]:
        return {"status": Status.OK}

    @router.get("/ready")
    async def ready() -> JSONResponse:
        states = await health.check()
        status = health.status(states)
        return JSONResponse(
            {"status": status, "dependencies": states},
            status_code=503 if status is Status.UNAVAILABLE else 200,
        )

    return router
