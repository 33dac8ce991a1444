"""A WebSocket connection: asyncio's transport callbacks, the upgrade, and the end.

    HTTP server ──open()──▶ Admission, Handshake ──▶ Session
    transport ◀──▶ FrameReader, FrameWriter ◀──▶ Session;  Node ──tick()──▶ KeepAlive

The HTTP server creates a connection for each upgrade, and hands it the transport and the request.
websockets' sans-I/O protocol applies RFC 6455. `disconnects` defines the terms for the end.
"""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, cast

from typing_extensions import override
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol

from madang_common.http.upgrade import Upgraded
from madang_common.problems import Problem, Unavailable
from madang_gateway.fanout.encoding import DEFLATE_BITS, websocket_frame
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account, BufferQuota
from madang_gateway.node.node import Node
from madang_gateway.protocol import sockjs
from madang_gateway.session import disconnects
from madang_gateway.session.buffering import Buffered
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.session import Session
from madang_gateway.upgrade.admission import BAD_HANDSHAKE, reason_of
from madang_gateway.upgrade.handshake import Agreed, request_of
from madang_gateway.upgrade.policy import Framing, refusal
from madang_gateway.websocket.frame_reader import FrameReader
from madang_gateway.websocket.frame_writer import FrameWriter, close_gracefully
from madang_gateway.websocket.keepalive import Due, KeepAlive, Peer, Timing

_HEARTBEAT = websocket_frame(b"\n")
_SOCKJS_OPEN = websocket_frame(sockjs.OPEN)
_SOCKJS_HEARTBEAT = websocket_frame(sockjs.HEARTBEAT)
_HEARTBEAT_OVER_SOCKJS = websocket_frame(sockjs.array(b"\n"))
_ABNORMAL = 1006
_FIRST_PRIVATE = 3000
"""Metric label for all close codes that clients define themselves (RFC 6455 section 7.4.2)."""


class Connection(Upgraded):
    """One WebSocket connection; `connection_class` makes the class that belongs to a node."""

    __slots__ = (
        "_account",
        "_address",
        "_keepalive",
        "_reader",
        "_received",
        "_session",
        "_state",
        "_transport",
        "_writer",
        "versions",
    )

    node: ClassVar[Node]

    @override
    def __init__(self, server_state: ServerState) -> None:
        # uvicorn waits for the connections of this state when it shuts down.
        self._state = server_state
        self._address = ""
        self._transport: asyncio.Transport
        self._session: Session | None = None
        """Set by an accepted upgrade, with all below; None again once the connection is lost."""
        self._reader: FrameReader | None = None
        self._writer: FrameWriter
        self._keepalive: KeepAlive
        self._account: Account
        self._received = False
        """Whether anything was received since the last tick."""
        self.versions: Sequence[str] = ()

    # The transport's callbacks.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._state.connections.add(self)  # type: ignore[arg-type]

    @override
    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            return  # the upgrade was refused
        self._received = True
        self._account.left -= budget.READ + len(data) * budget.BYTE
        reader.read(data)

    @override
    def eof_received(self) -> None:
        if self._reader is not None and self._reader.protocol is not None:
            self._reader.protocol.receive_eof()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        session, reader = self._session, self._reader
        if session is None or reader is None:
            return
        self._writer.close()
        protocol = reader.protocol
        code = _ABNORMAL if protocol is None else _close_code(protocol)
        self.node.connections.discard(self)
        self.node.admission.leave(self._address)
        self.node.context.metrics.connections.dec()
        self.node.context.metrics.closed.labels(code).inc()
        session.connection_lost(code)
        self._account.close()
        # Break reference cycles; the garbage collector would free them much later.
        self._session = self._reader = None
        if protocol is not None:
            protocol.parser.close()
            protocol.parser_exc = None

    @override
    def pause_writing(self) -> None:
        if self._session is not None:
            self._writer.pause()

    @override
    def resume_writing(self) -> None:
        if self._session is not None:
            self._writer.resume()

    def shutdown(self) -> None:
        """Disconnect because the server stops; uvicorn calls this."""
        self.node.admission.draining = True
        self.disconnect(disconnects.RESTARTING)

    # The session's transport.

    def pause_reading(self) -> None:
        """Stop reading from the peer."""
        if self._reader is not None:
            self._reader.pause()

    def resume_reading(self) -> None:
        """Read from the peer again, received bytes first."""
        if self._reader is not None:
            self._reader.resume()

    def send_close(self, why: Disconnect) -> None:
        """Send pending output and a close frame; abort if the peer does not answer in time."""
        reader, writer = self._reader, self._writer
        if writer.sockjs and reader is not None and reader.open:
            writer.write(websocket_frame(sockjs.close(why.code, why.reason)))
        writer.flush()
        if reader is not None and reader.open:
            protocol = reader.require_protocol()
            protocol.send_close(why.code, why.reason)
            writer.send_control(protocol)
            # A full queue may have paused reading, but the peer's close frame must be read.
            reader.resume()
        loop = asyncio.get_running_loop()
        loop.call_later(self.node.context.settings.close_seconds, self._transport.abort)

    # The node.

    def disconnect(self, why: Disconnect) -> None:
        """Send the client the reason, and close."""
        if self._session is None:
            self._transport.close()
        else:
            self._session.disconnect(why)

    def disconnect_when_done(self, why: Disconnect) -> None:
        """Read no more; disconnect once everything received is answered."""
        if self._session is None:
            self._transport.close()
        else:
            self._session.disconnect_when_done(why)

    def tick(self, now: float) -> None:
        """Send heart-beats and pings that are due, and let the session check its deadlines."""
        session, reader = self._session, self._reader
        if session is None or reader is None or session.closed:
            return
        writer, heartbeat = self._writer, session.stomp.heartbeat
        settings = self.node.context.settings
        timing = Timing(self.node.tick_seconds, settings.ping_seconds, settings.heartbeat_grace)
        due = self._keepalive.due(now, timing, heartbeat, sent=writer.sent)
        writer.sent = False
        if due is Due.STOMP_HEARTBEAT:
            writer.write(_HEARTBEAT_OVER_SOCKJS if writer.sockjs else _HEARTBEAT)
        elif due is Due.SOCKJS_HEARTBEAT and writer.sockjs:
            writer.write(_SOCKJS_HEARTBEAT)
        # While reading is paused nothing can be received, so the peer does not count as silent.
        received, self._received = self._received or reader.paused, False
        peer = self._keepalive.peer(now, timing, heartbeat, received=received)
        if peer is Peer.LOST:
            error = Unavailable("No heart-beat received in time; reconnect.")
            session.disconnect(disconnects.HEARTBEAT_LOST, error)
        elif peer is Peer.SILENT and reader.open:
            protocol = reader.require_protocol()
            protocol.send_ping(b"")
            writer.send_control(protocol)
        session.tick()

    # The upgrade.

    @override
    def open(
        self, method: str, target: str, version: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        node = self.node
        reason = BAD_HANDSHAKE
        try:
            request = request_of(method, target, version, headers)
            peer = self._transport.get_extra_info("peername")
            framing, self._address = node.admission.check(request, peer)
            answer = node.handshake.answer(request)
        except Problem as problem:
            answer, reason = refusal(problem), reason_of(problem)
        if isinstance(answer, Agreed):
            self._transport.write(answer.answer)
            self._begin(answer, framing)
        else:
            self._transport.write(answer.serialize())
            close_gracefully(self._transport, node.context.settings.close_seconds)
            node.context.metrics.upgrades_refused.labels(answer.status_code, reason).inc()

    def _begin(self, agreed: Agreed, framing: Framing) -> None:
        """Begin the session of an accepted upgrade."""
        node, settings = self.node, self.node.context.settings
        is_sockjs = framing is Framing.SOCKJS
        self._transport.set_write_buffer_limits(high=settings.live_pause_bytes)
        self.versions = agreed.versions
        self._account = node.budget.account(self._address)
        self._writer = FrameWriter(
            self._transport,
            node.write_scheduler,
            self._account,
            self,
            compressed=_compresses(agreed),
            sockjs=is_sockjs,
            close_seconds=settings.close_seconds,
        )
        self._session = Session(node.context, self, self._writer, self._account)
        self._reader = FrameReader(
            self._transport,
            self._writer,
            self._session,
            node.handshake,
            message_bytes=settings.frame_bytes,
            max_fragments=settings.fragments_per_message,
        )
        if agreed.extensions:
            self._reader.protocol = node.handshake.protocol(agreed.extensions)
        self._received = True
        self._keepalive = KeepAlive(asyncio.get_running_loop().time())
        node.connections.add(self)
        node.admission.enter(self._address)
        node.context.metrics.connections.inc()
        if is_sockjs:
            self._writer.write(_SOCKJS_OPEN)

    def output_overflowed(self, exceeded: BufferQuota) -> None:
        """Disconnect a peer that does not read; after that, stop reading, which stops pongs."""
        if self._session is None:
            return
        if self._session.closed:
            self.pause_reading()
        else:
            self._session.overflowed(exceeded, Buffered.OUTPUT)


def _compresses(agreed: Agreed) -> bool:
    """Return whether the peer reads messages compressed with the shared window."""
    return any(
        isinstance(extension, PerMessageDeflate) and extension.local_max_window_bits >= DEFLATE_BITS
        for extension in agreed.extensions
    )


def _close_code(protocol: Protocol) -> int:
    """Return the close code of the connection, the gateway's if both sides sent one."""
    found = protocol.close_sent or protocol.close_rcvd
    if found is None:
        return _ABNORMAL
    # Clients may use thousands of codes, and each would become a label of a metric.
    theirs = protocol.close_rcvd_then_sent
    return min(found.code, _FIRST_PRIVATE) if theirs else found.code


def connection_class(of: Node) -> type[Connection]:
    """Return the protocol class for uvicorn's `ws=` whose connections belong to `of`."""

    class BoundConnection(Connection):
        __slots__ = ()
        node = of

    return BoundConnection
