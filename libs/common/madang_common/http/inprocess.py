"""Services that call each other within one process: the same clients, no network."""

import asyncio

import httpx
from starlette.types import ASGIApp
from typing_extensions import override

from madang_common.http.internal import in_process
from madang_common.http.request_limit import charged_to


class InProcessNetwork(httpx.AsyncBaseTransport):
    """Hands a request for `http://{name}` to the app that was added as `name`."""

    def __init__(self) -> None:
        self._apps: dict[str, httpx.ASGITransport] = {}

    def add(self, name: str, app: ASGIApp) -> None:
        """Let `http://{name}` reach `app` from now on."""
        inside = in_process(charged_to(app, None))
        self._apps[name] = httpx.ASGITransport(inside, raise_app_exceptions=False)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._apps.get(request.url.host)
        if app is None:
            raise httpx.ConnectError(f"no service {request.url.host}", request=request)
        # A task of its own, so that the other service binds its ids for the log in its own context.
        return await asyncio.create_task(app.handle_async_request(request))
