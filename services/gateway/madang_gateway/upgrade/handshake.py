"""The opening handshake, by the websockets library without I/O: a request in, a response out."""

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
_MAX_HEADERS = 128
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
    """Return the HTTP server's request for the websockets library.

    Raise InvalidRequest if it has a body, too many headers or a malformed one.
    """
    if len(headers) > _MAX_HEADERS:
        raise InvalidRequest(f"Too many headers; a request may have {_MAX_HEADERS}.")
    try:
        named = Headers(
            (name.decode("latin-1"), value.decode("latin-1").strip(" \t"))
            for name, value in headers
        )
    except InvalidHeaderValue as error:
        raise InvalidRequest("A header of this WebSocket upgrade is malformed.") from error
    if "Transfer-Encoding" in named or not set(named.get_all("Content-Length")) <= {"0"}:
        raise InvalidRequest("A WebSocket upgrade must not have a body.")
    return Request(target, named, method, version)


class Agreed(NamedTuple):
    """An accepted handshake."""

    answer: bytes
    """The response, serialized."""
    subprotocol: Subprotocol | None
    versions: tuple[str, ...]
    """STOMP versions that CONNECT may negotiate, best first."""
    extensions: list[Extension]


class Handshake(ServerProtocol):
    """Answers the opening handshakes of all connections; a rejection is a problem document.

    One per connection, with the request and its headers, would take some kilobytes each.
    """

    def __init__(self, *, max_size: int, deflate: bool) -> None:
        """Accept WebSocket messages of up to `max_size` bytes; offer compression if `deflate`."""
        super().__init__(extensions=[_DEFLATE] if deflate else None, logger=_LOGGER)
        self._max_size = max_size
        self._versions = VERSIONS

    def answer(self, request: Request) -> Agreed | Response:
        """Return the accepted handshake, or the response that refuses it."""
        try:
            accept, extensions, _ = self.process_request(request)
        except WebSocketException:
            # `accept` finds the same error and builds the response.
            response = self.accept(request)
            self.handshake_exc = None
            return response
        # `accept` would repeat the check and add a date, which a 101 does not need (RFC 9110
        # section 6.6.1); that takes longer than the check itself.
        lines = [_SWITCHING, b"Sec-WebSocket-Accept: ", accept.encode()]
        if extensions is not None:
            lines += [b"\r\nSec-WebSocket-Extensions: ", extensions.encode()]
        if self.subprotocol is not None:
            lines += [b"\r\nSec-WebSocket-Protocol: ", self.subprotocol.encode()]
        lines.append(b"\r\n\r\n")
        return Agreed(b"".join(lines), self.subprotocol, self._versions, self.extensions)

    def protocol(self, extensions: list[Extension]) -> Protocol:
        """Return the sans-I/O protocol of a connection after its handshake."""
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
