"""What happens around each request: its id, log line, metrics, host and size limit."""

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang_common.http import request_id
from madang_common.http.hosts import AllowedHosts, UnknownHost
from madang_common.http.responses import problem_response
from madang_common.metrics import HttpMetrics
from madang_common.problems import TooLarge

log = structlog.get_logger()

_UNKNOWN_ROUTE = "unknown"
_EVERY_FEW_SECONDS = ("/health", "/metrics", "/internal/revocations")
"""What is asked for by machines all the time."""


class Observe:
    """Binds the request id, logs the request once, counts it."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(request_id.HEADER)
        chosen = request_id.begin(given)
        began = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[request_id.HEADER] = chosen
            await send(message)

        self._metrics.started()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", _UNKNOWN_ROUTE)
            self._metrics.ended(scope["method"], route, status, seconds)
            say = log.debug if scope["path"].startswith(_EVERY_FEW_SECONDS) else log.info
            say(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                seconds=round(seconds, 6),
            )


class CheckHost:
    """Refuses requests for hosts that this deployment does not serve."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._hosts.check(Headers(scope=scope).getlist("Host"))
            except UnknownHost as problem:
                await problem_response(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class LimitBody:
    """Refuses a request body of more than `limit` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        announced = int(length) if length.isdecimal() else 0
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            if announced <= self._limit:
                message = await receive()
                seen += len(message.get("body", b""))
                if seen <= self._limit:
                    return message
            # FastAPI answers any other exception that comes while it reads a body with a 400.
            raise HTTPException(TooLarge.status, f"A body may have {self._limit} bytes.")

        await self._app(scope, receive_counted, send)
