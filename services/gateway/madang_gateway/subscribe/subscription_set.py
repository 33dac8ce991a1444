"""The open subscriptions of one session."""

from collections.abc import Mapping
from types import MappingProxyType

from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.protocol.destinations import Source
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.subscribe.acks import Acks
from madang_gateway.subscribe.subscription import Subscription

_NONE: Mapping[str, int] = MappingProxyType({})


class SubscriptionSet:
    """Open subscriptions by id, oldest first, and their ACKs."""

    __slots__ = ("_acks", "_stomp", "by_id", "errors")

    def __init__(self, stomp: ServerConnection) -> None:
        self._stomp = stomp
        self._acks: Acks | None = None
        self.by_id: dict[str, Subscription] = {}
        self.errors: EncodingKey | None = None
        """Encoding of the newest subscription to the client's errors, None without one."""

    def add(self, subscription: Subscription) -> None:
        self.by_id[subscription.id] = subscription
        if subscription.topic.source is Source.ERRORS:
            self.errors = subscription.encoding_key

    def remove(self, subscription_id: str) -> Subscription | None:
        """Remove and return a subscription, None if there is none of this id."""
        removed = self.by_id.pop(subscription_id, None)
        if removed is not None and removed.encoding_key is self.errors:
            self.errors = None
            for other in self.by_id.values():
                if other.topic.source is Source.ERRORS:
                    self.errors = other.encoding_key
        return removed

    def of_room(self, room: str) -> list[Subscription]:
        """Return the subscriptions to the destinations of `room`."""
        return [found for found in self.by_id.values() if found.topic.room == room]

    @property
    def acks(self) -> Acks:
        """The session's ACKs; created at the first one, most clients send none."""
        if self._acks is None:
            self._acks = Acks(self.by_id, self._stomp.ended)
        return self._acks

    def tick(self) -> Mapping[str, int]:
        """Return the rooms and positions of the read markers to publish now."""
        return _NONE if self._acks is None else self._acks.markers.tick()

    def leave(self, room: str) -> None:
        """Publish no read marker of `room` any more."""
        if self._acks is not None:
            self._acks.markers.leave(room)
