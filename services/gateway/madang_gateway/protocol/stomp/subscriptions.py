"""The subscription ids of a connection."""

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.limits import Limits


class Subscriptions:
    """The open subscription ids, and those that the server ended."""

    __slots__ = ("_ended", "_limits", "_open")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, str] = {}
        self._ended: dict[str, str] = {}

    def open(self, subscription: str, destination: str) -> None:
        """Add the open id `subscription`."""
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
        """Remove the id for an UNSUBSCRIBE, which may come after the server ended it."""
        if self._open.pop(subscription, None) is not None:
            return
        if self._ended.pop(subscription, None) is None:
            raise NotOpen(
                "unknown subscription", f"There is no open subscription {subscription[:40]!r}."
            )

    def end(self, subscription: str) -> None:
        """Remove the id because the server refused or ended the subscription."""
        destination = self._open.pop(subscription, None)
        if destination is None:
            return
        self._ended[subscription] = destination
        if len(self._ended) > self._limits.subscriptions:
            del self._ended[next(iter(self._ended))]

    def ended(self, subscription: str) -> bool:
        """Return whether the server ended `subscription` and no UNSUBSCRIBE came yet."""
        return subscription in self._ended

    def id_for(self, destination: str) -> str:
        """Return the id for the destination of an UNSUBSCRIBE of 1.0."""
        for known in (self._open, self._ended):
            if known.get(destination) == destination:
                return destination
            for subscription, subscribed in known.items():
                if subscribed == destination:
                    return subscription
        return destination
