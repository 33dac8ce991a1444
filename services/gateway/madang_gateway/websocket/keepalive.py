"""Heart-beats and pings of one connection: when to send one, when the peer is lost.

    ALIVE ──silent longer than expected──▶ ping sent ──silent for `grace` times that──▶ LOST
      ▲────────────── anything received ───────┘

A ping is sent even to a peer that promised heart-beats: a browser answers pings while it throttles
the timers of a page in the background.
"""

from enum import Enum, auto
from typing import NamedTuple

from madang_gateway.protocol.stomp.negotiation import HeartBeats


class Due(Enum):
    """What to send after a silence of the gateway."""

    NOTHING = auto()
    STOMP_HEARTBEAT = auto()
    SOCKJS_HEARTBEAT = auto()
    """Only for SockJS clients, whatever STOMP negotiated."""


class Peer(Enum):
    """State of the peer by its silence."""

    ALIVE = auto()
    SILENT = auto()
    """Send a ping."""
    LOST = auto()


class Timing(NamedTuple):
    """Settings of all connections of a gateway."""

    tick_seconds: float
    """Interval between two ticks of a connection."""
    ping_seconds: float
    """Longest silence without negotiated heart-beats."""
    grace: float
    """Multiple of the expected interval after which a silent peer is lost."""


class KeepAlive:
    """Tracks how long each side has been silent; times are seconds on the event loop's clock."""

    __slots__ = ("_pinged", "_received_at", "_sent_at")

    def __init__(self, now: float) -> None:
        self._pinged = False
        self._received_at = self._sent_at = now

    def due(self, now: float, timing: Timing, heartbeat: HeartBeats, *, sent: bool) -> Due:
        """Return what to send; `sent` is whether anything was sent since the last tick."""
        if sent:
            self._sent_at = now
            return Due.NOTHING
        silent = now - self._sent_at
        if heartbeat.send and silent >= heartbeat.send / 1000 - timing.tick_seconds:
            return Due.STOMP_HEARTBEAT
        return Due.SOCKJS_HEARTBEAT if silent >= timing.ping_seconds else Due.NOTHING

    def peer(self, now: float, timing: Timing, heartbeat: HeartBeats, *, received: bool) -> Peer:
        """Return the peer's state; `received` is whether anything came since the last tick."""
        if received:
            self._pinged = False
            self._received_at = now
            return Peer.ALIVE
        silent = now - self._received_at
        expected = heartbeat.expect / 1000 or timing.ping_seconds
        if silent > expected * timing.grace:
            return Peer.LOST
        if silent > expected and not self._pinged:
            self._pinged = True
            return Peer.SILENT
        return Peer.ALIVE
