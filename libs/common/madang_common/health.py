"""Health: live (the process runs) and ready (its dependencies answer)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Ping = Callable[[], Awaitable[None]]
"""Returns if the dependency answers, raises if it does not."""


class Health:
    """Pings all dependencies concurrently, within a time limit."""

    def __init__(self, pings: Mapping[str, Ping], *, timeout_seconds: float = 2.0) -> None:
        """Check `pings`, by name of the dependency."""
        self.pings = pings
        self._timeout = timeout_seconds

    async def check(self) -> dict[str, str]:
        """Return `ok`, or the failure, for each dependency."""
        states = await asyncio.gather(*(self._state(ping) for ping in self.pings.values()))
        return dict(zip(self.pings, states, strict=True))

    async def _state(self, ping: Ping) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                await ping()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - any failure means not ready
            return type(error).__name__
        return "ok"


def health_router(health: Health) -> APIRouter:
    """Return `/health/live` and `/health/ready`."""
    router = APIRouter(prefix="/health", include_in_schema=False)

    @router.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/ready")
    async def ready() -> JSONResponse:
        states = await health.check()
        is_ready = all(state == "ok" for state in states.values())
        return JSONResponse(
            {"status": "ok" if is_ready else "unavailable", "dependencies": states},
            status_code=200 if is_ready else 503,
        )

    return router
