"""The opening handshake, as websockets' library decides it: a request in, the answer out."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from typing_extensions import override
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderValue, WebSocketException
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side
from websockets.server import ServerProtocol
from websockets.typing import StatusLike, Subprotocol

from madang_common.problems import InvalidRequest
from madang_gateway.fanout.encoding import DEFLATE_BITS
from madang_gateway.protocol.stomp.negotiation import SUBPROTOCOLS, VERSIONS, offered_versions
from madang_gateway.upgrade.policy import rejection

_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
_MOST_HEADERS = 128
_LOGGER = logging.getLogger("websockets.server")
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=DEFLATE_BITS,
    client_max_window_bits=DEFLATE_BITS,
)


def request_of(
    method: str, target: str, version: str, headers: Sequence[tuple[bytes, bytes]]
) -> Request:
    """Return a request, as the HTTP server has read it, for websockets' library.

    Raise InvalidRequest if there is more to it than a handshake has.
    """
    if len(headers) > _MOST_HEADERS:
        raise InvalidRequest(f"A request may have {_MOST_HEADERS} headers.")
    try:
        named = Headers(
            (name.decode("latin-1"), value.decode("latin-1").strip(" \t"))
            for name, value in headers
        )
    except InvalidHeaderValue as error:
        raise InvalidRequest("A header of this request for a WebSocket is malformed.") from error
    if "Transfer-Encoding" in named or not set(named.get_all("Content-Length")) <= {"0"}:
        raise InvalidRequest("A request for a WebSocket has no body.")
    return Request(target, named, method, version)


class Agreed(NamedTuple):
    """What both sides agreed on."""

    answer: bytes
    """The server's side of it, as it is sent."""
    subprotocol: Subprotocol | None
    versions: tuple[str, ...]
    """The STOMP versions that CONNECT may choose from, best first."""
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
        self._versions = VERSIONS

    def answer(self, request: Request) -> Agreed | Response:
        """Return what `request` leads to, or the answer that refuses it."""
        try:
            accept, extensions, _ = self.process_request(request)
        except WebSocketException:
            # This finds the same again, and says which answer that is.
            response = self.accept(request)
            self.handshake_exc = None
            return response
        # `accept` would check the same, and then build an answer with a date, which a 101 needs not
        # have (RFC 9110 section 6.6.1); that takes longer than the check.
        lines = [_SWITCHING, b"Sec-WebSocket-Accept: ", accept.encode()]
        if extensions is not None:
            lines += [b"\r\nSec-WebSocket-Extensions: ", extensions.encode()]
        if self.subprotocol is not None:
            lines += [b"\r\nSec-WebSocket-Protocol: ", self.subprotocol.encode()]
        lines.append(b"\r\n\r\n")
        return Agreed(b"".join(lines), self.subprotocol, self._versions, self.extensions)

    def protocol(self, extensions: list[Extension]) -> Protocol:
        """Return what speaks after the handshake, and knows nothing of HTTP."""
        protocol = Protocol(Side.SERVER, max_size=self._max_size, logger=_LOGGER)
        protocol.extensions = extensions
        return protocol

    @override
    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        self._versions = offered_versions(subprotocols)
        for ours in SUBPROTOCOLS:
            if ours in subprotocols:
                return Subprotocol(ours)
        return None

    @override
    def reject(self, status: StatusLike, text: str) -> Response:
        return rejection(HTTPStatus(status), text)
