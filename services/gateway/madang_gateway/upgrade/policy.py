"""Checks of an upgrade request: path, host and origin (RFC 6455 section 4.2)."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import orjson
from websockets.datastructures import Headers
from websockets.http11 import Response

from madang_common import problems
from madang_common.http.bearer import bearer_token
from madang_common.http.hosts import AllowedHosts
from madang_common.http.origins import ANY, is_allowed, is_same_host
from madang_common.http.responses import SECURE_HEADERS
from madang_common.problems import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    UpgradeRequired,
)

PATH = "/ws"
TUTORIALS_PATH = "/ws-stomp"
"""Path of the common tutorials' clients, most of which use SockJS."""
_STOMP_PATHS = {PATH, TUTORIALS_PATH, f"{TUTORIALS_PATH}/websocket"}
_SOCKJS_PATH = re.compile(rf"{TUTORIALS_PATH}/[^/.]+/[^/.]+/websocket")


_REJECTIONS: Mapping[int, type[Problem]] = {
    InvalidRequest.status: InvalidRequest,
    UpgradeRequired.status: UpgradeRequired,
}


class Framing(Enum):
    """Content of WebSocket messages."""

    STOMP = auto()
    SOCKJS = auto()


def framing(path: str) -> Framing:
    """Return the framing at `path`, which may have a query; raise NotFound for other paths."""
    path = path.partition("?")[0]
    if path in _STOMP_PATHS:
        return Framing.STOMP
    if _SOCKJS_PATH.fullmatch(path):
        return Framing.SOCKJS
    raise NotFound(f"No WebSocket endpoint at this path; connect to {PATH}.")


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Raise Forbidden if the client is a page whose origin may not connect."""
    if not origin_allowed(headers.get_all("Origin"), headers.get_all("Host"), allowed):
        raise Forbidden("Pages of this origin may not connect; ask the operator to allow it.")


def check_host(headers: Headers, hosts: AllowedHosts) -> None:
    """Raise UnknownHost unless the request is for one of `hosts`; prevents DNS rebinding."""
    hosts.check(headers.get_all("Host"))


def origin_allowed(origins: Sequence[str], hosts: Sequence[str], allowed: Sequence[str]) -> bool:
    """Return whether the client may connect (RFC 6455 section 10.2).

    Programs send no Origin; a page of the same host is always allowed.
    """
    if not origins or ANY in allowed:
        return True
    return is_allowed(origins, allowed) or (len(origins) == 1 and is_same_host(origins[0], hosts))


def upgrade_token(headers: Headers) -> str | None:
    """Return the access token of an upgrade request; browsers cannot send one there."""
    values = headers.get_all("Authorization")
    return (bearer_token(values[0]) or None) if len(values) == 1 else None


def refusal(problem: Problem) -> Response:
    """Return the HTTP response for `problem`."""
    return _answer(problem.status, problem.title, problem.document(), problem.headers())


def _answer(
    status: int, phrase: str, document: Mapping[str, Any], more: Mapping[str, str]
) -> Response:
    body = orjson.dumps(document)
    headers = Headers(
        {
            **more,
            "Content-Type": problems.MEDIA_TYPE,
            "Content-Length": str(len(body)),
            # Overrides the header of UpgradeRequired: this connection is closed.
            "Connection": "close",
            **SECURE_HEADERS,
        }
    )
    return Response(status, phrase, headers, body)


def rejection(status: HTTPStatus, text: str) -> Response:
    """Return the response to an invalid handshake; `text` is the library's explanation."""
    detail = text.partition("\n")[0]
    kind = _REJECTIONS.get(status)
    if kind is None:
        document = {"type": "about:blank", "title": status.phrase, "status": status.value}
        response = _answer(status, status.phrase, document | {"detail": detail}, {})
    else:
        response = refusal(kind(detail))
    # Required if the client requested another version, or none (section 4.4).
    response.headers["Sec-WebSocket-Version"] = "13"
    return response
