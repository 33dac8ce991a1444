"""Calls between services in one process, with the same clients and no network."""

import asyncio

import httpx
from starlette.types import ASGIApp
from typing_extensions import override

from madang_common.http.internal import in_process
from madang_common.http.request_limit import charged_to


class InProcessNetwork(httpx.AsyncBaseTransport):
    """Routes a request for `http://{name}` to the app that was added as `name`."""

    def __init__(self) -> None:
        self._apps: dict[str, httpx.ASGITransport] = {}

    def add(self, name: str, app: ASGIApp) -> None:
        """Route `http://{name}` to `app`."""
        inside = in_process(charged_to(app, None))
        self._apps[name] = httpx.ASGITransport(inside, raise_app_exceptions=False)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        app = self._apps.get(request.url.host)
        if app is None:
            raise httpx.ConnectError(f"no service {request.url.host}", request=request)
        # In a new task, so that the called service binds its log ids in its own context.
        return await asyncio.create_task(app.handle_async_request(request))
