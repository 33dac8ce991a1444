"""The opening handshake, as websockets' library decides it: a request in, the answer out."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from typing_extensions import override
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side
from websockets.server import ServerProtocol
from websockets.typing import StatusLike, Subprotocol

from madang_common.problems import InvalidRequest
from madang_gateway.shapes import DEFLATE_BITS
from madang_gateway.upgrade import rejection

SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")
"""Registered names of STOMP over WebSocket, newest first."""

_MOST_HEADERS = 128
_LOGGER = logging.getLogger("websockets.server")
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=DEFLATE_BITS,
    client_max_window_bits=DEFLATE_BITS,
)


def read_request(head: bytes) -> Request:
    """Return the request in `head`, which the HTTP server has read before and written down again.

    Raise InvalidRequest if there is more to it than a handshake has.
    """
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    if len(lines) > _MOST_HEADERS:
        raise InvalidRequest("there are too many headers")
    try:
        method, path, version = first.split(" ")
        headers = Headers([_header(line) for line in lines])
    except (ValueError, InvalidHeaderValue) as error:
        raise InvalidRequest("this is no request for a WebSocket") from error
    if "Transfer-Encoding" in headers or not set(headers.get_all("Content-Length")) <= {"0"}:
        raise InvalidRequest("a request for a WebSocket has no body")
    return Request(path, headers, method, version)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(line)
    return name, value.strip(" \t")


class Agreed(NamedTuple):
    """What both sides agreed on."""

    subprotocol: Subprotocol | None
    extensions: list[Extension]


class Handshake(ServerProtocol):
    """Answers one opening handshake after the other; what it rejects is told as a problem.

    To keep one of these, with the request and all its headers, would cost every connection some
    kilobytes.
    """

    def __init__(self, *, max_size: int, deflate: bool) -> None:
        """Take WebSocket messages of up to `max_size` bytes; offer compression if `deflate`."""
        super().__init__(extensions=[_DEFLATE] if deflate else None, logger=_LOGGER)
        self._max_size = max_size

    def answer(self, request: Request) -> tuple[Response, Agreed | None]:
        """Return the answer to `request`, and what it agrees to if that is 101."""
        response = self.accept(request)
        self.handshake_exc = None
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return response, None
        return response, Agreed(self.subprotocol, self.extensions)

    def protocol(self, extensions: list[Extension]) -> Protocol:
        """Return what speaks after the handshake, and knows nothing of HTTP."""
        protocol = Protocol(Side.SERVER, max_size=self._max_size, logger=_LOGGER)
        protocol.extensions = extensions
        return protocol

    @override
    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        for ours in SUBPROTOCOLS:
            if ours in subprotocols:
                return Subprotocol(ours)
        return None

    @override
    def reject(self, status: StatusLike, text: str) -> Response:
        return rejection(HTTPStatus(status), text)
