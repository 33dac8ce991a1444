"""The WebSocket opening handshake: which upgrades are accepted (RFC 6455 section 4.2)."""

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
from madang_common.problems import Forbidden, InvalidRequest, NotFound, Problem

PATH = "/ws"
TUTORIALS_PATH = "/ws-stomp"
"""Where the common tutorials' clients look for STOMP, most of them through SockJS."""
_STOMP_PATHS = {PATH, TUTORIALS_PATH, f"{TUTORIALS_PATH}/websocket"}
_SOCKJS_PATH = re.compile(rf"{TUTORIALS_PATH}/[^/.]+/[^/.]+/websocket")


class UpgradeRequired(Problem):
    status, slug, title = 426, "upgrade-required", "WebSocket is spoken here"


_REJECTIONS: Mapping[int, type[Problem]] = {
    InvalidRequest.status: InvalidRequest,
    UpgradeRequired.status: UpgradeRequired,
}


class Framing(Enum):
    """What a WebSocket message is."""

    STOMP = auto()
    SOCKJS = auto()


def framing(path: str) -> Framing:
    """Return what is spoken at `path`, which may have a query; raise NotFound if nothing is."""
    path = path.partition("?")[0]
    if path in _STOMP_PATHS:
        return Framing.STOMP
    if _SOCKJS_PATH.fullmatch(path):
        return Framing.SOCKJS
    raise NotFound(f"WebSocket is spoken at {PATH}")


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Raise Forbidden unless the page, if it is one, may connect."""
    if not origin_allowed(headers.get_all("Origin"), headers.get_all("Host"), allowed):
        raise Forbidden("Pages of this origin may not connect.")


def check_host(headers: Headers, hosts: AllowedHosts) -> None:
    """Raise UnknownHost unless the upgrade is for one of `hosts`; against DNS rebinding."""
    hosts.check(headers.get_all("Host"))


def origin_allowed(origins: Sequence[str], hosts: Sequence[str], allowed: Sequence[str]) -> bool:
    """Tell whether a page, if it is one, may connect (RFC 6455 section 10.2).

    Programs send no Origin; a page of the same host is always allowed.
    """
    if not origins or ANY in allowed:
        return True
    return is_allowed(origins, allowed) or (len(origins) == 1 and is_same_host(origins[0], hosts))


def upgrade_token(headers: Headers) -> str | None:
    """Return the access token that came with an upgrade, which only programs can give there."""
    values = headers.get_all("Authorization")
    return (bearer_token(values[0]) or None) if len(values) == 1 else None


def refusal(problem: Problem) -> Response:
    """Return the plain HTTP answer that tells `problem`."""
    return _answer(problem.status, problem.title, problem.document(), problem.headers())


def _answer(
    status: int, phrase: str, document: Mapping[str, Any], more: Mapping[str, str]
) -> Response:
    body = orjson.dumps(document)
    headers = Headers(
        {
            "Content-Type": problems.MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **SECURE_HEADERS,
            **more,
        }
    )
    return Response(status, phrase, headers, body)


def rejection(status: HTTPStatus, text: str) -> Response:
    """Return the answer to a handshake that is not RFC 6455's, for which the library has `text`."""
    detail = text.partition("\n")[0]
    kind = _REJECTIONS.get(status)
    if kind is None:
        document = {"type": "about:blank", "title": status.phrase, "status": status.value}
        response = _answer(status, status.phrase, document | {"detail": detail}, {})
    else:
        response = refusal(kind(detail))
    # Whoever tried another version, or none, learns which one is spoken (section 4.4).
    response.headers["Sec-WebSocket-Version"] = "13"
    return response
