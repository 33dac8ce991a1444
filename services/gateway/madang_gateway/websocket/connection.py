"""The WebSocket under a session: websockets' sans-I/O protocol on an asyncio transport.

The HTTP server makes one of these for each upgrade, and hands it the transport and the request.
Bytes go to `Protocol`, its frames to the session; what the session writes is coalesced and leaves
once per turn of the event loop. The WebSocket rules themselves (RFC 6455) are the library's.
"""

import asyncio
from codecs import IncrementalDecoder, getincrementaldecoder
from collections.abc import Sequence
from typing import ClassVar, cast

from typing_extensions import override
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State

from madang_common.http.upgrade import Upgraded
from madang_common.problems import Problem, Unavailable
from madang_gateway.fanout.encoding import DEFLATE_BITS, websocket_frame
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account, Kept
from madang_gateway.node.node import Node
from madang_gateway.protocol import sockjs as sockjs_frames
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.session import Session
from madang_gateway.upgrade.admission import BAD_HANDSHAKE, reason_of
from madang_gateway.upgrade.handshake import Agreed, request_of
from madang_gateway.upgrade.policy import Framing, refusal
from madang_gateway.websocket.fast_frames import OTHER, TEXT, PlainFrames

_HEARTBEAT = websocket_frame(b"\n")
_SOCKJS_OPEN = websocket_frame(sockjs_frames.OPEN)
_SOCKJS_SILENCE = websocket_frame(sockjs_frames.HEARTBEAT)
_SOCKJS_HEARTBEAT = websocket_frame(sockjs_frames.array(b"\n"))
_ABNORMAL = 1006
_FIRST_PRIVATE = 3000
"""Stands for all close codes that clients define themselves (RFC 6455 section 7.4.2)."""
_SLICE_DRAWS = 4
"""How often one call draws from the allowance; then everything else has its turn."""
_utf8_decoder = getincrementaldecoder("utf-8")


class Connection(Upgraded):
    """One WebSocket connection; `connection_class` makes the class that belongs to a node."""

    __slots__ = (
        "_account",
        "_address",
        "_decoder",
        "_fragments",
        "_heard",
        "_out",
        "_paused",
        "_pinged",
        "_plain",
        "_protocol",
        "_quiet_since",
        "_reading",
        "_reading_paused",
        "_sent",
        "_session",
        "_silent_since",
        "_sockjs",
        "_state",
        "_transport",
        "_unread",
        "_unsent",
        "_waiting",
        "compressed",
        "versions",
    )

    node: ClassVar[Node]

    @override
    def __init__(self, server_state: ServerState) -> None:
        # Its list of connections matters.
        self._state = server_state
        self._plain: PlainFrames | None = None
        """What takes the peer's frames, once the handshake is done."""
        self._transport: asyncio.Transport
        self._protocol: Protocol | None = None
        """What keeps the rules of RFC 6455; not there before there is one to keep."""
        self._session: Session | None = None
        self._account: Account
        """What it may spend, once the handshake is done."""
        self._out: list[bytes] = []
        self._address = ""
        self._decoder: IncrementalDecoder | None = None
        self._sockjs: sockjs_frames.Reader | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._paused = self._reading_paused = False
        self._reading = False
        """Whether frames are being taken right now."""
        self._fragments = 0
        """Frames of the message that is under way."""
        self._unread = self._unsent = 0
        """Bytes of each that the account knows of."""
        self._heard = self._sent = self._pinged = False
        self._quiet_since = self._silent_since = 0.0
        self.compressed = False
        self.versions: Sequence[str] = ()

    # What the transport calls.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._state.connections.add(self)  # type: ignore[arg-type]

    @override
    def data_received(self, data: bytes) -> None:
        plain = self._plain
        if plain is None:
            return  # the upgrade was refused
        self._heard = True
        self._account.left -= budget.READ + len(data) * budget.BYTE
        self._read(data)

    @override
    def eof_received(self) -> None:
        if self._protocol is not None:
            self._protocol.receive_eof()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._out.clear()
        self._wake()
        session, protocol = self._session, self._protocol
        if session is None:
            return
        code = _ABNORMAL if protocol is None else _close_code(protocol)
        self.node.connections.discard(self)
        self.node.admission.leave(self._address)
        self.node.shared.metrics.connections.dec()
        self.node.shared.metrics.closed.labels(code).inc()
        session.closed_by_link(code)
        self._account.close()
        # What holds each other would wait long for a garbage collection.
        self._session = self._protocol = None
        if protocol is not None:
            protocol.parser.close()
            protocol.parser_exc = None

    @override
    def pause_writing(self) -> None:
        self._paused = True

    @override
    def resume_writing(self) -> None:
        self._paused = False
        self._check_unsent()
        self._wake()

    def shutdown(self) -> None:
        """Close because the server stops; uvicorn calls this."""
        self.node.admission.draining = True
        self.leave(disconnects.RESTARTING)

    # What the session, the roster and the flusher call.

    @property
    def user(self) -> str:
        """Id of the user, empty before CONNECT."""
        return "" if self._session is None else self._session.user

    @property
    def sockjs(self) -> bool:
        """Whether the peer reads SockJS frames."""
        return self._sockjs is not None

    @property
    def behind(self) -> bool:
        """Whether the peer reads too slowly for live notices."""
        return self._paused

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        out = self._out
        if not out:
            self.node.flusher.add(self)
        out.append(frames)

    def flush(self) -> None:
        """Hand what waits to the transport; end the session of a peer that does not read."""
        out = self._out
        if not out or self._transport.is_closing():
            out.clear()
            return
        self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        out.clear()
        self._sent = True
        if self._paused:
            self._check_unsent()

    async def drained(self) -> None:
        """Return when the peer has taken most of what was sent."""
        self.flush()
        while self._paused and not self._transport.is_closing():
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._waiting)
            # Whoever waited too and came first may have sent more meanwhile.
            self.flush()

    def pause_reading(self) -> None:
        """Take nothing more from the peer for now."""
        if not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking from the peer, first what is here already."""
        session = self._session
        if session is None or not self._reading_paused or self._transport.is_closing():
            return
        self._reading_paused = False
        if not self._reading:
            self._reading = True
            session.receive(b"")
            self._reading = False
            self._read(b"")
        # It may have been too much again.
        if not self._reading_paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, why: Disconnect) -> None:
        """Send what waits and a close frame; let go of a peer that does not answer it in time."""
        if self._sockjs is not None and self._talking:
            self.write(websocket_frame(sockjs_frames.close(why.code, why.reason)))
        self.flush()
        if self._talking:
            protocol = self._rules()
            protocol.send_close(why.code, why.reason)
            self._send_control(protocol)
            # A backlog may have stopped reading, but the peer's close frame must come through.
            self.resume_reading()
        loop = asyncio.get_running_loop()
        loop.call_later(self.node.shared.settings.close_seconds, self._transport.abort)

    def leave(self, why: Disconnect) -> None:
        """Close, whatever the session is doing."""
        if self._session is None:
            self._transport.close()
        else:
            self._session.close(why)

    def retire(self, why: Disconnect) -> None:
        """Close once everything that was taken is answered."""
        if self._session is None:
            self._transport.close()
        else:
            self._session.retire(why)

    def tick(self, now: float) -> None:
        """Do what is due: heart-beats both ways, pings, and what only time ends."""
        session = self._session
        if session is None or session.closed:
            return
        settings = self.node.shared.settings
        send, expect = session.heartbeat
        if self._sent:
            self._sent = False
            self._quiet_since = now
        elif send and now - self._quiet_since >= send / 1000 - self.node.tick_seconds:
            self.write(_HEARTBEAT if self._sockjs is None else _SOCKJS_HEARTBEAT)
        elif self._sockjs is not None and now - self._quiet_since >= settings.ping_seconds:
            self.write(_SOCKJS_SILENCE)
        if self._heard or self._reading_paused:
            # Silence of a peer whose reading is paused says nothing.
            self._heard = self._pinged = False
            self._silent_since = now
        else:
            self._check_silence(session, now - self._silent_since, expect / 1000)
        session.tick()

    def _check_silence(self, session: Session, seconds: float, expect: float) -> None:
        settings = self.node.shared.settings
        longest = expect or settings.ping_seconds
        if seconds > longest * settings.heartbeat_grace:
            session.end(Unavailable("No heart-beat came."), disconnects.HEARTBEAT_LOST)
        elif seconds > longest and not self._pinged and self._talking:
            # Also of one that promised heart-beats: a browser answers pings while it holds back the
            # timers of a page that nobody looks at.
            self._pinged = True
            protocol = self._rules()
            protocol.send_ping(b"")
            self._send_control(protocol)

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
            self._let_go()
            node.shared.metrics.upgrades_refused.labels(answer.status_code, reason).inc()

    def _begin(self, agreed: Agreed, framing: Framing) -> None:
        """Begin the session."""
        node, settings = self.node, self.node.shared.settings
        if agreed.extensions:
            self._protocol = node.handshake.protocol(agreed.extensions)
        self._transport.set_write_buffer_limits(high=settings.live_pause_bytes)
        self.versions = agreed.versions
        self.compressed = any(
            isinstance(extension, PerMessageDeflate)
            and extension.local_max_window_bits >= DEFLATE_BITS
            for extension in agreed.extensions
        )
        self._account = node.budget.account(self._address)
        self._session = Session(node.shared, self, self._account)
        self._plain = PlainFrames(settings.frame_bytes)
        self._heard = True
        self._quiet_since = self._silent_since = asyncio.get_running_loop().time()
        node.connections.add(self)
        node.admission.enter(self._address)
        node.shared.metrics.connections.inc()
        if framing is Framing.SOCKJS:
            self._sockjs = sockjs_frames.Reader()
            self.write(_SOCKJS_OPEN)

    def _read(self, data: bytes) -> None:
        """Take frames until none is left, or it is enough for now."""
        frames = self._plain
        if frames is None or self._reading:
            return
        account, draws = self._account, 0
        session = self._session
        self._reading = True
        try:
            for kind, piece in frames.receive(data):
                if kind == OTHER:
                    account.left -= budget.CONTROL
                    self._feed(piece)
                else:
                    account.left -= budget.MESSAGE
                    if self._talking:
                        self._take(piece, text=kind == TEXT)
                if account.left < 1 or self._reading_paused:
                    draws += 1
                    if not self._may_go_on(draws):
                        break
        finally:
            self._reading = False
        if session is not None and (
            draws or session.uncounted or self._unread or frames.waiting is not None
        ):
            self._count_unread(session, frames)

    def _may_go_on(self, draws: int) -> bool:
        """Return whether another frame may be taken now; otherwise schedule it, or pause."""
        session = self._session
        if self._reading_paused or session is None:
            return False
        if draws > _SLICE_DRAWS:
            self.pause_reading()
            asyncio.get_running_loop().call_soon(self._continue)
            return False
        if self._account.draw():
            return True
        if session.closed:
            # The close handshake has a deadline.
            self.pause_reading()
        session.rest()
        return False

    def _continue(self) -> None:
        """Resume reading in a new turn of the event loop."""
        session = self._session
        if session is not None:
            if session.closed:
                self.resume_reading()
            else:
                session.go_on_reading()

    def _count_unread(self, session: Session, frames: PlainFrames) -> None:
        """Report the untaken bytes to the account."""
        session.uncounted = False
        unread = frames.unread_bytes + session.unread_bytes
        if unread != self._unread:
            kept = self._account.keep(unread - self._unread)
            self._unread = unread
            if kept is not Kept.WITHIN:
                session.over_quota(kept, "untaken")

    def _feed(self, data: bytes) -> None:
        """Give the protocol what it has to decide about, and do what it says."""
        protocol = self._rules()
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._receive(event)
        self._send_control(protocol)

    def _take(self, payload: bytes, *, text: bool) -> None:
        """Pass a whole message on."""
        session = self._session
        if session is None:
            return
        if text and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                session.close(disconnects.NOT_UTF8)
                return
        if self._sockjs is None:
            session.receive(payload)
        else:
            self._receive_sockjs(session, self._sockjs, payload, fin=True)

    def _receive(self, frame: Frame) -> None:
        """Pass the payload of a data frame on; control frames were answered by the library."""
        session = self._session
        if frame.opcode > Opcode.BINARY or session is None:
            return
        self._fragments = 0 if frame.fin else self._fragments + 1
        if self._fragments > self.node.shared.settings.fragments_per_message:
            session.close(disconnects.TOO_MANY_FRAGMENTS)
            return
        payload = bytes(frame.data)
        # It may have been compressed when it came.
        self._account.left -= len(payload) * budget.BYTE
        try:
            self._check_text(frame, payload)
        except UnicodeDecodeError:
            session.close(disconnects.NOT_UTF8)
            return
        if self._sockjs is None:
            session.receive(payload)
        else:
            self._receive_sockjs(session, self._sockjs, payload, fin=frame.fin)

    def _receive_sockjs(
        self, session: Session, reader: sockjs_frames.Reader, payload: bytes, *, fin: bool
    ) -> None:
        try:
            messages = reader.receive(payload, fin=fin)
        except sockjs_frames.BrokenFraming:
            session.close(disconnects.BROKEN_FRAMING)
            return
        self._account.left -= budget.SOCKJS_STRING * len(messages)
        # What they carry is one stream of bytes.
        session.receive(messages[0] if len(messages) == 1 else b"".join(messages))

    def _check_text(self, frame: Frame, payload: bytes) -> None:
        """Raise UnicodeDecodeError if a text message is not UTF-8 (RFC 6455 section 8.1)."""
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                payload.decode()
                return
            self._decoder = _utf8_decoder()
        if self._decoder is not None:
            self._decoder.decode(payload, frame.fin)
            if frame.fin:
                self._decoder = None

    @property
    def _talking(self) -> bool:
        """Whether neither side has begun to close."""
        return self._protocol is None or self._protocol.state is State.OPEN

    def _rules(self) -> Protocol:
        """Return what keeps the rules, which most connections need at their end only."""
        if self._protocol is None:
            self._protocol = self.node.handshake.protocol([])
        return self._protocol

    def _send_control(self, protocol: Protocol) -> None:
        """Send what the library wants sent: pings, pongs, close frames, the end."""
        chunks = protocol.data_to_send()
        if not chunks:
            return
        self.flush()
        for chunk in chunks:
            if chunk:
                self._transport.write(chunk)
            else:
                self._let_go()
        self._check_unsent()

    def _let_go(self) -> None:
        """Close the transport once the peer has taken what was sent, or has not in time."""
        self._transport.close()
        loop = asyncio.get_running_loop()
        loop.call_later(self.node.shared.settings.close_seconds, self._transport.abort)

    def _check_unsent(self) -> None:
        """End the session of a peer that does not read; then answer none of its pings either."""
        session = self._session
        if session is None:
            return
        unsent = self._transport.get_write_buffer_size()
        kept = self._account.keep(unsent - self._unsent)
        self._unsent = unsent
        if kept is not Kept.WITHIN:
            if session.closed:
                self.pause_reading()
            else:
                session.over_quota(kept, "unread")

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.set_result(None)
            self._waiting = None


def _close_code(protocol: Protocol) -> int:
    """Return the code with which the connection ended, ours if both sides gave one."""
    found = protocol.close_sent or protocol.close_rcvd
    if found is None:
        return _ABNORMAL
    # A client may choose among thousands of codes, and each would be a label of a metric.
    theirs = protocol.close_rcvd_then_sent
    return min(found.code, _FIRST_PRIVATE) if theirs else found.code


def connection_class(of: Node) -> type[Connection]:
    """Return the protocol class for uvicorn's `ws=` whose connections belong to that node."""

    class BoundConnection(Connection):
        __slots__ = ()
        node = of

    return BoundConnection
