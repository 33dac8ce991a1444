"""Encodes an event as a MESSAGE: once per encoding key, the same bytes for every recipient.

| | fast path | general path |
| --- | --- | --- |
| body of an event | `Event.body` with the event's line: the line with the `id` in front | JSON |
| WebSocket frame | `websocket_frame`: header and payload joined | `Frame.serialize` of websockets |
"""

from collections.abc import Callable
from typing import NamedTuple

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_gateway.protocol.sockjs import array
from madang_gateway.protocol.stomp.serializer import message_frame

BodyMapping = Callable[[Event, int], bytes | None]
"""Maps an event and the number of users present to another body; None omits the event."""

ACK_DIVIDER = "/"
"""Separates the message's id from the subscription's id in an `ack` header."""
DEFLATE_BITS = 12
"""Compression window that all recipients of an encoding key share, in bits."""
_IN_TWO_BYTES = 126
_SIZES_IN_TWO_BYTES = 1 << 16
_DEFLATE = PerMessageDeflate(
    remote_no_context_takeover=True,
    local_no_context_takeover=True,
    remote_max_window_bits=15,
    local_max_window_bits=DEFLATE_BITS,
)


class PositionedEvent(NamedTuple):
    """An event of the log with its position, ready to be encoded."""

    position: int
    id: str
    """The event's id, and the MESSAGE's `message-id`."""
    event: Event
    body: bytes
    """The MESSAGE's body."""

    @classmethod
    def at(cls, position: int, event: Event, line: bytes = b"") -> "PositionedEvent":
        """Return `event` at `position`; the fast path needs its `line`."""
        return cls(position, to_id(position), event, event.body(position, line))


class EncodingKey(NamedTuple):
    """Everything except the event that the bytes of a MESSAGE depend on."""

    subscription: str
    destination: str
    version: str
    acknowledged: bool = False
    """Whether the client acknowledges messages."""
    mapping: BodyMapping | None = None
    """Maps the body for a destination alias; None for the event's own body."""
    compressed: bool = False
    """Whether the client reads compressed WebSocket messages."""
    sockjs: bool = False
    """Whether the client reads SockJS frames."""

    def ack(self, message_id: str) -> str | None:
        """Return the `ack` header of a message, which an ACK of STOMP 1.2 refers to, or None."""
        if not self.acknowledged or self.version != "1.2":
            return None
        return f"{message_id}{ACK_DIVIDER}{self.subscription}"


def websocket_frame(payload: bytes, *, compressed: bool = False) -> bytes:
    """Return `payload` as one unmasked text frame (RFC 6455 section 5.2, RFC 7692 section 7.2.1).

    Uncompressed frames take the fast path. Compressed messages share no context, so the same bytes
    are valid for every recipient.
    """
    if compressed:
        return Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=[_DEFLATE])
    size = len(payload)
    if size < _IN_TWO_BYTES:
        return b"\x81%c%b" % (size, payload)
    if size < _SIZES_IN_TWO_BYTES:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)


def encode(key: EncodingKey, event: Event, message_id: str, body: bytes, present: int = 0) -> bytes:
    """Return the WebSocket frame with the MESSAGE for `event`, empty if the mapping omits it.

    `present` is the number of users in the room; only a mapping needs it.
    """
    if key.mapping is not None:
        mapped = key.mapping(event, present)
        if mapped is None:
            return b""
        body = mapped
    frame = message_frame(
        key.subscription,
        key.destination,
        message_id,
        event.headers,
        body,
        version=key.version,
        content_type="application/json",
        ack=key.ack(message_id),
    )
    return websocket_frame(array(frame) if key.sockjs else frame, compressed=key.compressed)
