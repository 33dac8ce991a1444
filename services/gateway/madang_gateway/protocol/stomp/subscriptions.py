"""Which subscription ids of a connection are in use."""

from collections.abc import Mapping
from types import MappingProxyType

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.limits import Limits


class Subscriptions:
    """The subscriptions that the client holds open, and those the server ended for it."""

    __slots__ = ("_ended", "_limits", "_open")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, str] = {}
        self._ended: dict[str, str] = {}

    @property
    def destinations(self) -> Mapping[str, str]:
        """The destination of each open id, oldest first."""
        return MappingProxyType(self._open)

    def open(self, subscription: str, destination: str) -> None:
        """Take the id `subscription` into use."""
        if subscription in self._open:
            raise Duplicate(
                "subscription is open already",
                f"The subscription id {subscription[:40]!r} is in use; UNSUBSCRIBE it first.",
            )
        if len(self._open) >= self._limits.subscriptions:
            raise TooLarge(
                "too many subscriptions",
                f"A connection may have {self._limits.subscriptions} open subscriptions.",
            )
        self._ended.pop(subscription, None)
        self._open[subscription] = destination

    def close(self, subscription: str) -> None:
        """Give the id back at the client's wish; it may not know yet that the server ended it."""
        if self._open.pop(subscription, None) is not None:
            return
        if self._ended.pop(subscription, None) is None:
            raise NotOpen(
                "unknown subscription", f"There is no open subscription {subscription[:40]!r}."
            )

    def end(self, subscription: str) -> None:
        """Give the id back because the server refused or ended the subscription."""
        destination = self._open.pop(subscription, None)
        if destination is None:
            return
        self._ended[subscription] = destination
        if len(self._ended) > self._limits.subscriptions:
            del self._ended[next(iter(self._ended))]

    def ended(self, subscription: str) -> bool:
        """Tell whether the server ended `subscription` and the client may not know it yet."""
        return subscription in self._ended

    def id_for(self, destination: str) -> str:
        """Return the id that an UNSUBSCRIBE of 1.0 means by its destination."""
        for known in (self._open, self._ended):
            if known.get(destination) == destination:
                return destination
            for subscription, subscribed in known.items():
                if subscribed == destination:
                    return subscription
        return destination
