"""Reading side of a connection: frames in slices that the client's account pays for.

bytes ──▶ FastFrames ──complete messages──────────────────────┐
              └──other──▶ websockets.Protocol ──fragments─────┴──▶ Payloads ──▶ Session.receive
                              └──▶ pongs, close frames
"""

import asyncio
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, State

from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account, BufferQuota
from madang_gateway.session.buffering import Buffered
from madang_gateway.session.session import Session
from madang_gateway.upgrade.handshake import Handshake
from madang_gateway.websocket.fast_frames import OTHER, TEXT, FastFrames
from madang_gateway.websocket.frame_writer import FrameWriter
from madang_gateway.websocket.payloads import InvalidPayloadError, Payloads, check_utf8

_MAX_DRAWS: Final = 4
"""Draws from the allowance in one slice; then other connections have their turn."""


class FrameReader:
    """Passes messages to the session; pauses and resumes the transport."""

    __slots__ = (
        "_account",
        "_frames",
        "_handshake",
        "_max_fragments",
        "_payloads",
        "_reading",
        "_session",
        "_transport",
        "_unread",
        "_writer",
        "paused",
        "protocol",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        writer: FrameWriter,
        session: Session,
        handshake: Handshake,
        *,
        message_bytes: int,
        max_fragments: int,
    ) -> None:
        """Refuse messages of more than `message_bytes` or `max_fragments`.

        Most connections need the protocol only at their end; it is created then.
        """
        self._transport = transport
        self._writer = writer
        self._session = session
        self._account: Account = session.account
        self._max_fragments = max_fragments
        self._payloads: Payloads | None = None
        """Created for the first fragment or SockJS message."""
        self._handshake = handshake
        self._frames = FastFrames(message_bytes)
        self.protocol: Protocol | None = None
        """Applies the rules of RFC 6455 that `FastFrames` does not cover."""
        self.paused = False
        """Whether the transport is paused."""
        self._reading = False
        """Whether a slice is being read."""
        self._unread = 0
        """Unread bytes reported to the account."""

    @property
    def open(self) -> bool:
        """Whether neither side has sent a close frame."""
        return self.protocol is None or self.protocol.state is State.OPEN

    def require_protocol(self) -> Protocol:
        """Return the protocol; create it if necessary."""
        if self.protocol is None:
            self.protocol = self._handshake.protocol([])
        return self.protocol

    def read(self, data: bytes) -> None:
        """Take frames until none is left, or the slice ends."""
        if self._reading:
            return
        account, session, frames, draws = self._account, self._session, self._frames, 0
        self._reading = True
        try:
            for kind, piece in frames.receive(data):
                if kind == OTHER:
                    account.left -= budget.CONTROL
                    self._read_by_protocol(piece)
                else:
                    account.left -= budget.MESSAGE
                    protocol = self.protocol
                    if protocol is None or protocol.state is State.OPEN:
                        self._read_message(piece, text=kind == TEXT)
                if account.left < 1 or self.paused:
                    draws += 1
                    if not self._may_continue(draws):
                        break
        finally:
            self._reading = False
        if draws or session.unread_changed or self._unread or frames.incomplete is not None:
            self._count_unread()

    def pause(self) -> None:
        """Stop reading from the transport."""
        if not self.paused and not self._transport.is_closing():
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again: received bytes first, then the transport."""
        if not self.paused or self._transport.is_closing():
            return
        self.paused = False
        if not self._reading:
            self._reading = True
            self._session.receive(b"")
            self._reading = False
            self.read(b"")
        # Reading may have paused it again.
        if not self.paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def _may_continue(self, draws: int) -> bool:
        """Return whether another frame may be read now; otherwise schedule it, or pause."""
        if self.paused:
            return False
        if draws > _MAX_DRAWS:
            self.pause()
            asyncio.get_running_loop().call_soon(self._continue)
            return False
        if self._account.draw():
            return True
        if self._session.closed:
            # The close handshake has a deadline.
            self.pause()
        self._session.throttle()
        return False

    def _continue(self) -> None:
        """Read the next slice in a new turn of the event loop."""
        if self._session.closed:
            self.resume()
        else:
            self._session.resume_reading()

    def _count_unread(self) -> None:
        """Report the unread bytes to the account."""
        session = self._session
        session.unread_changed = False
        unread = self._frames.unread_bytes + session.stomp.unread_bytes
        if unread != self._unread:
            quota = self._account.add_buffered(unread - self._unread)
            self._unread = unread
            if quota is not BufferQuota.WITHIN:
                session.overflowed(quota, Buffered.INPUT)

    def _read_message(self, payload: bytes, *, text: bool) -> None:
        """Pass a complete message to the session."""
        try:
            if text and not payload.isascii():
                check_utf8(payload)
            if self._writer.sockjs:
                payload = self._from_sockjs(payload, fin=True)
        except InvalidPayloadError as error:
            self._session.disconnect(error.why)
        else:
            self._session.receive(payload)

    def _read_by_protocol(self, data: bytes) -> None:
        """Give the protocol bytes that `FastFrames` left to it, and send its answers."""
        protocol = self.require_protocol()
        protocol.receive_data(data)
        for event in protocol.events_received():
            # The library answers control frames itself.
            if isinstance(event, Frame) and event.opcode <= Opcode.BINARY:
                self._read_frame(event)
        self._writer.send_control(protocol)

    def _read_frame(self, frame: Frame) -> None:
        """Pass the payload of a data frame, which may be a fragment, to the session."""
        payload = bytes(frame.data)
        # It may have been compressed when it was charged.
        self._account.left -= len(payload) * budget.BYTE
        try:
            self._require_payloads().check(frame, payload)
            if self._writer.sockjs:
                payload = self._from_sockjs(payload, fin=frame.fin)
        except InvalidPayloadError as error:
            self._session.disconnect(error.why)
        else:
            self._session.receive(payload)

    def _from_sockjs(self, payload: bytes, *, fin: bool) -> bytes:
        strings = self._require_payloads().strings(payload, fin=fin)
        self._account.left -= budget.SOCKJS_STRING * len(strings)
        return strings[0] if len(strings) == 1 else b"".join(strings)

    def _require_payloads(self) -> Payloads:
        if self._payloads is None:
            self._payloads = Payloads(self._max_fragments)
        return self._payloads
