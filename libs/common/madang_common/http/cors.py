"""CORS for REST, by allowed origin (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang_common.http import request_id
from madang_common.http.origins import ANY, is_allowed

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"
_REQUEST_HEADERS = f"Authorization, Content-Type, {request_id.HEADER}"
_EXPOSED_HEADERS = f"Retry-After, WWW-Authenticate, {request_id.HEADER}"
_PREFLIGHT_SECONDS = "600"


class Cors:
    """Adds CORS headers to all responses, including errors, for the allowed origins.

    The app answers a preflight like any OPTIONS request, with the methods of the path in `Allow`.
    CORS headers that a response has already are kept. Credentials are not allowed: tokens are in
    headers, and there are no cookies.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        request = Headers(scope=scope)
        preflight = scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in request
        origins = request.getlist("Origin")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _ALLOW_ORIGIN not in headers:
                    self._share(headers, origins, preflight=preflight)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _share(self, headers: MutableHeaders, origins: Sequence[str], *, preflight: bool) -> None:
        if ANY not in self._origins:
            # Without it a cache could return the response for one origin to another.
            headers.add_vary_header("Origin")
        if not is_allowed(origins, self._origins):
            return
        headers[_ALLOW_ORIGIN] = ANY if ANY in self._origins else origins[0]
        if preflight:
            headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
            headers["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
            headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
        else:
            headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
