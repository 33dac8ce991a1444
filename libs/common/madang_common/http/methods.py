"""HTTP methods: HEAD for every GET, OPTIONS for every path, and `Allow`."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WRITES = ("POST", "PUT", "PATCH", "DELETE")


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

        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send_head)
        finally:
            # The outer middleware reads the route and the method from its own scope.
            scope.update(as_get, method="HEAD")


def allow(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """Return the `Allow` header for the path of `scope`."""
    routes = tuple(routes)
    found = [method for method in ("GET", *_WRITES) if _has(routes, scope, method)]
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join([*found, "OPTIONS"])


def _has(routes: Iterable[BaseRoute], scope: Scope, method: str) -> bool:
    probe = {**scope, "method": method, "path_params": {}}
    # Mounts serve files and match any method.
    candidates = (route for route in routes if not (isinstance(route, Mount) and method in _WRITES))
    return any(route.matches(probe)[0] is Match.FULL for route in candidates)
