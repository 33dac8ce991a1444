"""The WebSocket opening handshake: which upgrades are accepted (RFC 6455 section 4.2)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from madang_common import problems
from madang_common.problems import Forbidden, NotFound, Problem, Unavailable

PATH = "/ws"
SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")
"""Registered names of STOMP over WebSocket, newest first."""


def check_request(request: Request, *, allowed_origins: Sequence[str], full: bool) -> None:
    """Raise the problem with which an upgrade is to be refused, if it is."""
    path = request.path.partition("?")[0]
    if path != PATH:
        raise NotFound(f"WebSocket is spoken at {PATH}")
    if not _origin_allowed(request.headers, allowed_origins):
        raise Forbidden("pages of this origin may not connect")
    if full:
        raise Unavailable("there are too many connections here", retry_after_seconds=5)


def _origin_allowed(headers: Headers, allowed: Sequence[str]) -> bool:
    """Tell whether the page, if it is one, may connect (RFC 6455 section 10.2).

    Programs send no Origin; a page of the same host is always allowed.
    """
    origins = headers.get_all("Origin")
    if not origins or "*" in allowed:
        return True
    if len(origins) > 1:
        return False
    return origins[0] in allowed or headers.get_all("Host") == [_host(origins[0])]


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def refusal(problem: Problem) -> Response:
    """Return the plain HTTP answer that tells `problem`."""
    body = orjson.dumps(problem.document())
    headers = Headers(
        {
            "Content-Type": problems.MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **problem.headers(),
        }
    )
    return Response(problem.status, problem.title, headers, body)
