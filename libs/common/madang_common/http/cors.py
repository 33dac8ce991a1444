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
    """Lets pages of the allowed origins read every answer, errors too.

    A preflight is answered as any OPTIONS request is, with the methods of its path in `Allow`; here
    it gets the headers that a browser looks for. Answers with CORS headers of their own keep them.
    Credentials are not allowed: tokens are in headers, and there are no cookies.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        preflight = scope["method"] == "OPTIONS" and "Access-Control-Request-Method" in asked
        origins = asked.getlist("Origin")

        async def send_shared(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _ALLOW_ORIGIN not in headers:
                    self._share(headers, origins, preflight=preflight)
            await send(message)

        await self._app(scope, receive, send_shared)

    def _share(self, headers: MutableHeaders, origins: Sequence[str], *, preflight: bool) -> None:
        if ANY not in self._origins:
            # Without it a cache could give one page's answer to another, or none to both.
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
