"""The HTTP endpoints of SockJS that a client requests before it opens its WebSocket.

Transports for browsers without WebSocket are not supported; their paths return 404.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
from fastapi import APIRouter, Request, Response

from madang_common.problems import Forbidden, InvalidRequest
from madang_gateway.upgrade.policy import TUTORIALS_PATH, origin_allowed

_YEAR = timedelta(days=365)
_NEVER_CACHED = "no-store, no-cache, must-revalidate, max-age=0"
_ENTROPY_BITS = 32


def router(allowed_origins: Sequence[str]) -> APIRouter:
    """Return the routes, for pages of `allowed_origins` (`*` for any) and of the same host."""
    routes = APIRouter(prefix=TUTORIALS_PATH, include_in_schema=False)

    @routes.get("")
    @routes.get("/")
    async def greet() -> Response:
        return Response("Welcome to SockJS!\n", media_type="text/plain; charset=UTF-8")

    @routes.get("/info")
    async def info(request: Request) -> Response:
        """Return the supported features: WebSocket, without cookies."""
        document = {
            "websocket": True,
            "origins": ["*:*"],
            "cookie_needed": False,
            "entropy": secrets.randbits(_ENTROPY_BITS),
        }
        headers = _cors(request, allowed_origins) | {"Cache-Control": _NEVER_CACHED}
        media_type = "application/json; charset=UTF-8"
        return Response(orjson.dumps(document), headers=headers, media_type=media_type)

    @routes.options("/info")
    async def preflight(request: Request) -> Response:
        """Answer the CORS preflight of `/info`."""
        seconds = str(int(_YEAR.total_seconds()))
        headers = _cors(request, allowed_origins) | {
            "Access-Control-Allow-Methods": "OPTIONS, GET",
            "Access-Control-Max-Age": seconds,
            "Cache-Control": f"public, max-age={seconds}",
            "Expires": format_datetime(datetime.now(UTC) + _YEAR, usegmt=True),
        }
        return Response(status_code=204, headers=headers)

    @routes.get("/websocket")
    @routes.get("/{server}/{session}/websocket")
    async def websocket() -> Response:
        """Refuse a request without an upgrade."""
        raise InvalidRequest('Can "Upgrade" only to "WebSocket".')

    return routes


def _cors(request: Request, allowed_origins: Sequence[str]) -> dict[str, str]:
    """Return the CORS headers of a response; raise Forbidden if the origin may not connect."""
    headers = request.headers
    origins = headers.getlist("Origin")
    if not origin_allowed(origins, headers.getlist("Host"), allowed_origins):
        raise Forbidden("Pages of this origin may not connect.")
    # A page from a file has the origin `null`; browsers do not accept `null` in the response.
    origin = origins[0] if origins and origins[0] != "null" else "*"
    allowed = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
    requested = headers.get("Access-Control-Request-Headers")
    return allowed if requested is None else allowed | {"Access-Control-Allow-Headers": requested}
