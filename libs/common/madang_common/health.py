"""Health: alive (the process runs) and ready (it can do its work now)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Ping = Callable[[], Awaitable[None]]
"""Returns if the dependency answers, raises if it does not."""


class Health:
    """Pings each dependency, at once and within a time limit."""

    def __init__(self, pings: Mapping[str, Ping], *, timeout_seconds: float = 2.0) -> None:
        """Check `pings`, named for what they reach."""
        self.pings = pings
        self._timeout = timeout_seconds

    async def check(self) -> dict[str, str]:
        """Return `ok`, or what is wrong, for each dependency."""
        states = await asyncio.gather(*(self._state(ping) for ping in self.pings.values()))
        return dict(zip(self.pings, states, strict=True))

    async def _state(self, ping: Ping) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                await ping()
        except TimeoutError:
            return "no answer in time"
        except Exception as error:  # noqa: BLE001 - whatever it is, it means not ready
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
        well = all(state == "ok" for state in states.values())
        return JSONResponse(
            {"status": "ok" if well else "unavailable", "dependencies": states},
            status_code=200 if well else 503,
        )

    return router
