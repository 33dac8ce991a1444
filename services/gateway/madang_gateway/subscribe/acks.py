"""ACK and NACK: finds the message, settles it, moves the read marker."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from madang_common.log.position import from_id
from madang_common.problems import NotFound
from madang_gateway.fanout.encoding import ACK_DIVIDER
from madang_gateway.protocol.stomp.events import Ack
from madang_gateway.subscribe.read_markers import ReadMarkers
from madang_gateway.subscribe.subscription import Subscription

Acknowledged = tuple[Subscription, int] | None
"""Subscription and position of the message; None if the ACK has no effect."""


class Read(NamedTuple):
    """A read marker to publish."""

    room: str
    position: int


class Acks:
    """ACKs and NACKs of one session."""

    __slots__ = ("_ended", "_subscriptions", "markers")

    def __init__(
        self, subscriptions: Mapping[str, Subscription], ended: Callable[[str], bool]
    ) -> None:
        """Take `ended`, which returns whether the server ended the subscription of an id."""
        self._subscriptions = subscriptions
        self._ended = ended
        self.markers = ReadMarkers()

    def find(self, ack: Ack) -> Acknowledged:
        """Return the message that `ack` acknowledges; raise NotFound if it was not sent.

        STOMP 1.1 names the subscription in a header; in 1.2 it is part of the `ack` header that
        the gateway sends, but some clients send the `message-id` there.
        """
        message, divider, subscription = ack.id.partition(ACK_DIVIDER)
        name = subscription if divider else ack.subscription
        candidates = list(self._subscriptions.values())
        if name is not None:
            named = self._subscriptions.get(name)
            # The client may not know yet that the server ended it; `auto` needs no ACK.
            if self._ended(name) if named is None else named.ack_window is None:
                return None
            candidates = [] if named is None else [named]
        try:
            position = from_id(message)
        except ValueError:
            position = -1
        for candidate in candidates:
            window = candidate.ack_window
            if window is not None and window.sent_already(position):
                return candidate, position
        raise NotFound(f"No message {ack.id[:80]!r} waits for an ACK or NACK.")

    def settle(self, acknowledged: Acknowledged, *, consumed: bool) -> Read | None:
        """Apply an ACK, or a NACK if not `consumed`; return the read marker to publish now."""
        if acknowledged is None:
            return None
        subscription, position = acknowledged
        window = subscription.ack_window
        if window is None or subscription.ended:
            # It may have ended since it was found, for example by a removal from the room.
            return None
        window.settle(position, consumed=consumed)
        room, read = subscription.topic.room, window.read_up_to
        if subscription.marks_read and read is not None and self.markers.move(room, read):
            return Read(room, read)
        return None
