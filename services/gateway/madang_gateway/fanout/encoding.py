"""How an event becomes a MESSAGE: encoded once per shape, the same bytes for every recipient."""

from collections.abc import Callable
from typing import NamedTuple

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_gateway.protocol.sockjs import array
from madang_gateway.protocol.stomp.serializer import message_frame

BodyMapping = Callable[[Event, int], bytes | None]
"""Turns an event and the number of users present into another body, or None to leave it out."""

ACK_DIVIDER = "/"
"""Stands in an `ack` header between the message's id and the subscription's."""
DEFLATE_BITS = 12
"""Window of the compression that all recipients of a shape share, in bits."""
_IN_TWO_BYTES = 126
_SIZES_IN_TWO_BYTES = 1 << 16
_DEFLATE = PerMessageDeflate(
    remote_no_context_takeover=True,
    local_no_context_takeover=True,
    remote_max_window_bits=15,
    local_max_window_bits=DEFLATE_BITS,
)


class PositionedEvent(NamedTuple):
    """An event of the log with its position, ready to be sent."""

    position: int
    id: str
    """The event's id, which is also the MESSAGE's `message-id`."""
    event: Event
    body: bytes
    """What clients receive as the MESSAGE's body."""

    @classmethod
    def at(cls, position: int, event: Event, line: bytes = b"") -> "PositionedEvent":
        """Return `event` as it stands at `position`, the quick way if its `line` is at hand."""
        return cls(position, to_id(position), event, event.body(position, line))


class EncodingKey(NamedTuple):
    """All that the bytes of a MESSAGE depend on beside the event itself."""

    subscription: str
    destination: str
    version: str
    acknowledged: bool = False
    """Whether the client is to ACK it."""
    mapping: BodyMapping | None = None
    """A destination alias's body, instead of our own."""
    compressed: bool = False
    """Whether the client can read compressed WebSocket messages."""
    sockjs: bool = False
    """Whether the client reads SockJS frames."""

    def ack(self, message_id: str) -> str | None:
        """Return the `ack` header of a message, which 1.2 has so that an ACK needs no other."""
        if not self.acknowledged or self.version != "1.2":
            return None
        return f"{message_id}{ACK_DIVIDER}{self.subscription}"


def websocket_frame(payload: bytes, *, compressed: bool = False) -> bytes:
    """Return `payload` as one unmasked text frame (RFC 6455 section 5.2, RFC 7692 section 7.2.1).

    No compression context lasts from one message to the next, so that the same bytes are right
    for every recipient.
    """
    if compressed:
        return Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=[_DEFLATE])
    size = len(payload)
    if size < _IN_TWO_BYTES:
        return b"\x81%c%b" % (size, payload)
    if size < _SIZES_IN_TWO_BYTES:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)


def encode(
    shape: EncodingKey, event: Event, message_id: str, body: bytes, present: int = 0
) -> bytes:
    """Return the WebSocket frame with the MESSAGE for `event`; nothing if the shape leaves it out.

    `present` is the number of users in the room, which only a mapping asks for.
    """
    if shape.mapping is not None:
        mapped = shape.mapping(event, present)
        if mapped is None:
            return b""
        body = mapped
    frame = message_frame(
        shape.subscription,
        shape.destination,
        message_id,
        event.headers,
        body,
        version=shape.version,
        content_type="application/json",
        ack=shape.ack(message_id),
    )
    return websocket_frame(array(frame) if shape.sockjs else frame, compressed=shape.compressed)
