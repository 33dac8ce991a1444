"""uvicorn's HTTP protocol with the limits that a proxy in front of it would set."""

import asyncio
from typing import Any, ClassVar, cast

import orjson
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from madang_common.http.responses import SECURE_HEADERS
from madang_common.http.timeouts import RequestTimeout, SlowReaderTimeout
from madang_common.http.upgrade import Upgraded
from madang_common.problems import MEDIA_TYPE, InvalidRequest

_MAX_PIPELINED = 16
"""Requests of one connection that may wait for the responses to those before them."""
_MAX_HEADERS = 100
_MAX_BODY_PARTS = 4096
"""Parts in which one body may arrive: a part may be a few bytes, and each costs a call."""


class _LimitExceededError(Exception):
    """Stops the parser."""


class HttpProtocol(HttpToolsProtocol):
    """A connection with limits for heads, bodies and pipelining, and timeouts.

    uvicorn has none of these: it waits without a limit, and buffers heads, responses and pipelined
    requests of any size. It also serializes the head of an upgrade request for another library to
    parse again; here the parsed head is handed over.
    """

    head_bytes: ClassVar[int]
    seconds: ClassVar[float]

    _received_bytes = 0
    """Bytes received since the last request ended."""
    _in_head = True
    _body_parts = 0
    """Parts of the current body so far."""
    _refusal = ""
    """Why the request is refused, if it is not just malformed."""
    _too_many_pipelined = False
    _current: RequestResponseCycle | None = None
    """The request that is answered now, or was last."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # As in uvicorn, but without a socket object from uvloop, which a WebSocket would keep.
        self._request_timeout = RequestTimeout()
        self._slow_reader_timeout = SlowReaderTimeout()
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = _address(transport, "sockname")
        self.client = _address(transport, "peername")
        self.scheme = "https" if is_ssl(transport) else "http"
        self._request_timeout.start(self.transport, self.seconds)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._request_timeout.stop()
        # uvicorn notifies only the last request, and keeps the pipelined ones.
        if self._current is not None:
            self._current.disconnected = True
            self._current.message_event.set()
            self._current = None
        self.pipeline.clear()
        super().connection_lost(exc)
        self._slow_reader_timeout.stop()

    @override
    def data_received(self, data: bytes) -> None:
        if self._too_many_pipelined:
            return
        self._request_timeout.start(self.transport, self.seconds)
        self._received_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._received_bytes > self.head_bytes:
            self.send_400_response("The head of the request is too large.")

    @override
    def handle_websocket_upgrade(self) -> None:
        self._request_timeout.stop()
        self.connections.discard(self)
        upgraded = cast("type[Upgraded]", self.ws_protocol_class)(self.server_state)
        upgraded.connection_made(self.transport)
        scope = self.scope
        version = f"HTTP/{scope['http_version']}"
        upgraded.open(scope["method"], self.url.decode("latin-1"), version, self.headers)
        self.transport.set_protocol(upgraded)
        # Breaks the reference cycle, so that no garbage collection is needed.
        self.parser = None  # type: ignore[assignment]

    @override
    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._too_many_pipelined = True
            raise _LimitExceededError
        self._body_parts = 0
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _MAX_HEADERS:
            self._refusal = f"A request may have at most {_MAX_HEADERS} headers."
            raise _LimitExceededError
        super().on_header(name, value)

    @override
    def on_body(self, body: bytes) -> None:
        self._body_parts += 1
        if self._body_parts > _MAX_BODY_PARTS:
            self._refusal = f"A body may arrive in at most {_MAX_BODY_PARTS} parts."
            raise _LimitExceededError
        super().on_body(body)

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._current = cycle
        super()._start_asgi_task(cycle, app)

    @override
    def send_400_response(self, msg: str) -> None:
        if self._too_many_pipelined:
            # The client would read this as the response to an earlier request. Those are answered
            # first, the last one with `Connection: close`.
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
        self._in_head = False
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._request_timeout.stop()
        self._received_bytes = 0
        self._in_head = True
        super().on_message_complete()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._slow_reader_timeout.start(self.transport, self.seconds)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._slow_reader_timeout.stop()


def _address(transport: asyncio.Transport, name: str) -> tuple[str, int] | None:
    found = transport.get_extra_info(name)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple) else None


def http_protocol(*, within_head_bytes: int, within_seconds: float) -> type[HttpProtocol]:
    """Return the protocol class for uvicorn's `http=` with these limits."""

    class BoundHttpProtocol(HttpProtocol):
        head_bytes = within_head_bytes
        seconds = within_seconds

    return BoundHttpProtocol
