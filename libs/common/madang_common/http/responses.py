"""Problem responses (RFC 9457) and security headers."""

from collections.abc import Mapping

import structlog
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang_common import problems
from madang_common.http import raw_headers
from madang_common.http.internal import is_internal
from madang_common.metrics import HttpMetrics
from madang_common.problems import Problem
from madang_common.refusals import Refusals

log = structlog.get_logger()

SECURE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""From OWASP's REST security cheat sheet; the proxy that terminates TLS adds HSTS."""
_RAW_SECURE_HEADERS = [
    (name.lower().encode(), value.encode()) for name, value in SECURE_HEADERS.items()
]


def note_refusal(scope: Scope, problem: Problem) -> None:
    """Log and count the refusal of the request of `scope`.

    Requests from other services are skipped: the calling service logs the refusal of its client.
    """
    app = scope.get("app")
    if app is None or is_internal(scope):
        return
    refusals: Refusals = app.state.refusals
    bound = structlog.contextvars.get_contextvars()
    refusals.note(
        problem,
        user=bound.get("user_id", ""),
        room=scope.get("path_params", {}).get("room", ""),
        request=bound.get("request_id"),
    )


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the request of `scope` with `problem`; log and count the refusal."""
    note_refusal(scope, problem)
    await problem_response(problem)(scope, receive, send)


def problem_response(problem: Problem) -> JSONResponse:
    """Return `problem` as a response."""
    return JSONResponse(
        problem.document(),
        status_code=problem.status,
        headers=problem.headers(),
        media_type=problems.MEDIA_TYPE,
    )


class SecurityHeaders:
    """Adds security headers that a response does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                raw_headers.add_missing(message, _RAW_SECURE_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class ServerErrors:
    """Answers an unexpected exception with a 500 that does not expose it.

    Inside the other middleware, so that the response has their headers too.
    """

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_observed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except Exception:
            self._metrics.failed()
            log.exception("request_failed")
            if started:
                raise
            await problem_response(Problem())(scope, receive, send)
