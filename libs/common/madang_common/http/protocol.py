"""HTTP as uvicorn speaks it, with the bounds that a proxy in front would set."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import orjson
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl
from uvicorn.server import ServerState

from madang_common.http.answers import SECURE_HEADERS
from madang_common.problems import MEDIA_TYPE, InvalidRequest

_TAKEN_BYTES = 65_536
"""Least that a client must read of an answer within `seconds`."""
_MOST_WAITING = 16
"""Most requests of a connection that wait for the answers to those before them."""
_MOST_HEADERS = 100
_MOST_PIECES = 4096
"""Most pieces of a body: of each a few bytes may come, and each is handled by itself."""


class _TooMuchError(Exception):
    """Stops the parser."""


class Upgraded(asyncio.Protocol, ABC):
    """What a connection becomes whose client asks for a WebSocket: the class in uvicorn's `ws=`."""

    __slots__ = ()

    @abstractmethod
    def __init__(self, server_state: ServerState) -> None:
        """Take uvicorn's account of what is under way."""

    @abstractmethod
    def open(
        self, method: str, target: str, version: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Answer the request; called once, when the connection is made.

        `version` is as in `HTTP/1.1`, and the headers' names are in lower case.
        """


class HttpProtocol(HttpToolsProtocol):
    """A connection with deadlines for requests and for reading answers, and a limit on heads.

    uvicorn has none of these: it waits for ever, and buffers any head, any answer and any number
    of requests behind the one under way. It also serializes the head of a request for a WebSocket,
    for another library to parse again; here it is handed over as parsed.
    """

    head_bytes: ClassVar[int]
    seconds: ClassVar[float]

    _head = 0
    """Bytes that came since the last request, its body among them."""
    _awaiting_head = True
    _deadline: asyncio.TimerHandle | None = None
    _unsent = 0
    """Bytes of answers that the client had not read at the last check."""
    _patience: asyncio.TimerHandle | None = None
    _pieces = 0
    """Pieces of the body that came so far."""
    _refusal = ""
    """What is wrong with the request, if more is known than that it cannot be read."""
    _overrun = False
    """Whether more requests came than may wait."""
    _under_way: RequestResponseCycle | None = None
    """The request that is being answered, or was last."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # As uvicorn does, but it asks uvloop for a socket, which stays with a WebSocket for good.
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport, "sockname")
        self.client = _address(transport, "peername")
        self.scheme = "https" if is_ssl(transport) else "http"
        self._expect_request()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        # uvicorn tells only the last request, and keeps the others.
        if self._under_way is not None:
            self._under_way.disconnected = True
            self._under_way.message_event.set()
            self._under_way = None
        self.pipeline.clear()
        super().connection_lost(exc)
        self._end_patience()

    @override
    def data_received(self, data: bytes) -> None:
        if self._overrun:
            return
        self._expect_request()
        self._head += len(data)
        super().data_received(data)
        if self._awaiting_head and self._head > self.head_bytes:
            self.send_400_response("The head of the request is too large.")

    @override
    def handle_websocket_upgrade(self) -> None:
        self._expect_nothing()
        self.connections.discard(self)
        upgraded = cast("type[Upgraded]", self.ws_protocol_class)(self.server_state)
        upgraded.connection_made(self.transport)
        scope = self.scope
        version = f"HTTP/{scope['http_version']}"
        upgraded.open(scope["method"], self.url.decode("latin-1"), version, self.headers)
        self.transport.set_protocol(upgraded)
        # They hold each other, and would wait for a garbage collection.
        self.parser = None  # type: ignore[assignment]

    @override
    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MOST_WAITING:
            self._overrun = True
            raise _TooMuchError
        self._pieces = 0
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _MOST_HEADERS:
            self._refusal = f"A request may have {_MOST_HEADERS} headers."
            raise _TooMuchError
        super().on_header(name, value)

    @override
    def on_body(self, body: bytes) -> None:
        self._pieces += 1
        if self._pieces > _MOST_PIECES:
            self._refusal = f"A body may come in {_MOST_PIECES} pieces."
            raise _TooMuchError
        super().on_body(body)

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    @override
    def send_400_response(self, msg: str) -> None:
        if self._overrun:
            # This would be taken for the answer to a request before. Those are answered, the last
            # one with the news that no more will be.
            self.cycle.keep_alive = False
            return
        problem = InvalidRequest(self._refusal or msg)
        body = orjson.dumps(problem.document())
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **SECURE_HEADERS,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{lines}\r\n".encode() + body)
        self.transport.close()

    @override
    def on_headers_complete(self) -> None:
        self._awaiting_head = False
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._expect_nothing()
        self._head = 0
        self._awaiting_head = True
        super().on_message_complete()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._expect_reading()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_patience()

    def _expect_reading(self) -> None:
        self._patience = self.loop.call_later(self.seconds, self._check_reading)

    def _check_reading(self) -> None:
        """Abort the connection if the client read less than `_TAKEN_BYTES` since the last check."""
        unsent = self.transport.get_write_buffer_size()
        if self._unsent - unsent < _TAKEN_BYTES:
            self.transport.abort()
            return
        self._unsent = unsent
        self._expect_reading()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _expect_request(self) -> None:
        """Let go of the client unless the rest of a request comes in time."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _address(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    found = transport.get_extra_info(name)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None


def http_protocol(*, within_head_bytes: int, within_seconds: float) -> type[HttpProtocol]:
    """Return the protocol class for uvicorn's `http=` with those bounds."""

    class BoundHttpProtocol(HttpProtocol):
        head_bytes = within_head_bytes
        seconds = within_seconds

    return BoundHttpProtocol
