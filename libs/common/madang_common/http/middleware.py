"""Middleware of every request: request id, log line, metrics, host check, body limit."""

import time

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang_common.http import raw_headers, request_id
from madang_common.http.hosts import AllowedHosts, UnknownHost
from madang_common.http.internal import is_routine
from madang_common.http.responses import refuse
from madang_common.metrics import HttpMetrics
from madang_common.problems import TooLarge

log = structlog.get_logger()

_UNKNOWN_ROUTE = "unknown"
_REQUEST_ID = request_id.HEADER.lower().encode()


class Observe:
    """Binds the request id, and logs and counts each request once."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        chosen = request_id.begin(raw_headers.first_value(scope, _REQUEST_ID))
        header = (_REQUEST_ID, chosen.encode())
        started_at = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                raw_headers.replace(message, header)
            await send(message)

        self._metrics.started()
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started_at
            route = getattr(scope.get("route"), "path", _UNKNOWN_ROUTE)
            self._metrics.ended(scope["method"], route, status, seconds)
            log_request = log.debug if is_routine(scope, status) else log.info
            log_request(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                seconds=round(seconds, 6),
            )


class CheckHost:
    """Refuses requests for hosts that are not allowed."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._hosts.check(raw_headers.all_values(scope, b"host"))
            except UnknownHost as problem:
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)


class LimitBody:
    """Refuses a request body of more than `limit` bytes, with or without Content-Length."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        content_length = raw_headers.content_length(scope)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            if content_length <= self._limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= self._limit:
                    return message
            # FastAPI converts any other exception during the read of a body to a 400.
            raise HTTPException(TooLarge.status, f"A body may have at most {self._limit} bytes.")

        await self._app(scope, receive_counted, send)
