"""Payloads of data frames: UTF-8 check, fragment limit, and the strings of SockJS messages."""

from codecs import IncrementalDecoder, getincrementaldecoder

from websockets.frames import Frame, Opcode

from madang_gateway.protocol.sockjs import BrokenFraming, Reader
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect

_utf8_decoder = getincrementaldecoder("utf-8")


class InvalidPayloadError(Exception):
    """A payload that ends the connection."""

    def __init__(self, why: Disconnect) -> None:
        super().__init__(why.reason)
        self.why = why


class Payloads:
    """Checks the payloads of one connection in order; raises InvalidPayloadError."""

    __slots__ = ("_decoder", "_fragments", "_max_fragments", "_reader")

    def __init__(self, max_fragments: int) -> None:
        """Allow `max_fragments` per message."""
        self._max_fragments = max_fragments
        self._reader: Reader | None = None
        """Reassembles SockJS messages."""
        self._fragments = 0
        """Fragments of the incomplete message."""
        self._decoder: IncrementalDecoder | None = None

    def check(self, frame: Frame, payload: bytes) -> None:
        """Check a data frame that may be a fragment."""
        self._fragments = 0 if frame.fin else self._fragments + 1
        if self._fragments > self._max_fragments:
            raise InvalidPayloadError(disconnects.TOO_MANY_FRAGMENTS)
        if frame.opcode is Opcode.TEXT:
            if frame.fin:
                check_utf8(payload)
                return
            self._decoder = _utf8_decoder()
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, frame.fin)
            except UnicodeDecodeError as error:
                raise InvalidPayloadError(disconnects.NOT_UTF8) from error
            if frame.fin:
                self._decoder = None

    def strings(self, payload: bytes, *, fin: bool) -> list[bytes]:
        """Return the strings of a SockJS message; their concatenation is the STOMP stream."""
        if self._reader is None:
            self._reader = Reader()
        try:
            return self._reader.receive(payload, fin=fin)
        except BrokenFraming as error:
            raise InvalidPayloadError(disconnects.BROKEN_FRAMING) from error


def check_utf8(payload: bytes) -> None:
    """Raise InvalidPayloadError unless `payload` is UTF-8 (RFC 6455 section 8.1)."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise InvalidPayloadError(disconnects.NOT_UTF8) from error
