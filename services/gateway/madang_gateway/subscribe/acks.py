"""What an ACK or NACK answers, and what follows from it."""

from collections.abc import Callable, Mapping

from madang_common.log.position import from_id
from madang_common.problems import NotFound
from madang_gateway.fanout.encoding import ACK_DIVIDER
from madang_gateway.protocol.stomp.events import Ack
from madang_gateway.subscribe.read_markers import ReadMarkers
from madang_gateway.subscribe.subscription import Subscription

Answered = tuple[Subscription, int] | None
"""The subscription and the position that is answered; None if nothing waits for that answer."""


class Acks:
    """The answers of one session to the messages of its subscriptions."""

    __slots__ = ("_ended", "_markers", "_subscriptions")

    def __init__(
        self,
        subscriptions: Mapping[str, Subscription],
        ended: Callable[[str], bool],
        tell_read: Callable[[str, int], object],
    ) -> None:
        """Take what `ended` says: whether the server ended a subscription lately.

        `tell_read` is told a room, and the position up to which the user has read it.
        """
        self._subscriptions = subscriptions
        self._ended = ended
        self._markers = ReadMarkers(tell_read)

    def find(self, ack: Ack) -> Answered:
        """Return what `ack` answers; raise NotFound if no such message was sent.

        1.1 names the subscription in a header of its own; in 1.2 it is part of the `ack` header
        that we give, in whose place some clients send the `message-id`.
        """
        message, divider, subscription = ack.id.partition(ACK_DIVIDER)
        name = subscription if divider else ack.subscription
        candidates = list(self._subscriptions.values())
        if name is not None:
            named = self._subscriptions.get(name)
            # Of one that was ended here the client may not know yet; others expect no answer.
            if self._ended(name) if named is None else named.acknowledging is None:
                return None
            candidates = [] if named is None else [named]
        try:
            position = from_id(message)
        except ValueError:
            position = -1
        for candidate in candidates:
            place = candidate.acknowledging
            if place is not None and place.sent_already(position):
                return candidate, position
        raise NotFound(f"No message {ack.id[:80]!r} waits for an ACK or NACK.")

    def settle(self, answered: Answered, *, consumed: bool) -> None:
        """Let an ACK, or a NACK if not `consumed`, take effect."""
        if answered is None:
            return
        subscription, position = answered
        place = subscription.acknowledging
        if place is None or subscription.ended:
            # It may have ended since it was found, as with the membership of the room.
            return
        place.answer(position, consumed=consumed)
        if subscription.marks_read and place.read_up_to is not None:
            self._markers.move(subscription.topic.room, place.read_up_to)

    def tick(self) -> None:
        """Tell of the read markers that moved since the last tick."""
        self._markers.tick()

    def leave(self, room: str) -> None:
        """Tell nothing more of `room`."""
        self._markers.leave(room)
