"""Bytes buffered for one client: the size of a queued frame, the disconnect of a slow consumer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from madang_common.problems import Problem, Unavailable
from madang_gateway.limits.budget import BufferQuota
from madang_gateway.protocol.stomp import events as stomp
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.frame import HeartBeat
from madang_gateway.session import disconnects
from madang_gateway.session.disconnects import Disconnect

_FRAME_BYTES = 512
"""Memory of a queued frame without its headers and body."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A SEND that will be refused for its size; its body was dropped."""

    receipt: str | None
    destination: str


Received = stomp.Event | ProtocolError | Oversized
"""A frame as the session handles it, or the protocol error that ends the stream of frames."""


class Buffered(StrEnum):
    """Kind of bytes buffered for a client; the values are labels of a metric."""

    OUTPUT = "unread"
    UNACKNOWLEDGED = "unacknowledged"
    INPUT = "untaken"


class Overflow(NamedTuple):
    """How to end a session that exceeded a buffer quota."""

    label: str
    """Value of the metric's label `cause`."""
    why: Disconnect
    problem: Problem


_SLOW_CONSUMER = {
    Buffered.OUTPUT: "You read too slowly; reconnect.",
    Buffered.UNACKNOWLEDGED: "You acknowledge too slowly; reconnect.",
    Buffered.INPUT: "You send faster than your frames can be handled; reconnect.",
}


def overflow(exceeded: BufferQuota, buffered: Buffered) -> Overflow:
    """Return how to end a session for which too many bytes of `buffered` are held."""
    if exceeded is BufferQuota.CONNECTION_EXCEEDED:
        problem = Unavailable(_SLOW_CONSUMER[buffered])
        return Overflow(buffered.value, disconnects.SLOW_CONSUMER, problem)
    problem = Unavailable("Too much is buffered for your connections; read faster, or close some.")
    return Overflow("quota", disconnects.OVER_QUOTA, problem)


def queue_entry(received: Received, message_bytes: int) -> tuple[Received, int]:
    """Return the queue entry of a frame that has to wait, and its approximate size in bytes.

    The body of a SEND over `message_bytes` is dropped: it will be refused.
    """
    if isinstance(received, stomp.Send) and len(received.body) > message_bytes:
        received = Oversized(received.receipt, received.destination)
    if isinstance(received, ProtocolError | Oversized | HeartBeat):
        return received, _FRAME_BYTES
    body = len(received.body) if isinstance(received, stomp.Send) else 0
    headers = {} if isinstance(received, stomp.Held) else received.headers
    size = sum(len(name) + len(value) for name, value in headers.items())
    return received, _FRAME_BYTES + body + size
