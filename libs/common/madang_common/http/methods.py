"""Methods of HTTP: HEAD wherever there is GET, OPTIONS everywhere, and `Allow` with all of them."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


class HeadAsGet:
    """Answers HEAD as GET would be, without the body (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        got = {**scope, "method": "GET"}
        try:
            await self._app(got, receive, send_head)
        finally:
            # Who logs and counts the request looks at the scope that it passed on.
            scope.update(got, method="HEAD")


def allow(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """Return `Allow` for the path of `scope`: all methods that any of `routes` has for it."""
    routes = tuple(routes)
    found = [method for method in ("GET", *_CHANGING) if _has(routes, scope, method)]
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join([*found, "OPTIONS"])


def _has(routes: Iterable[BaseRoute], scope: Scope, method: str) -> bool:
    asked = {**scope, "method": method, "path_params": {}}
    # What is mounted are files, which match whatever the method is.
    fitting = (route for route in routes if not (isinstance(route, Mount) and method in _CHANGING))
    return any(route.matches(asked)[0] is Match.FULL for route in fitting)
