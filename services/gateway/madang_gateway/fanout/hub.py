"""The hub: the recipients of each audience on this gateway."""

from collections.abc import ItemsView, KeysView

from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.fanout.recipient import Recipient


class Hub:
    """Recipients by audience and encoding key, in the order of their subscription.

    Every recipient of events with an acknowledged encoding key is an `AckRecipient`.
    """

    def __init__(self) -> None:
        self._audiences: dict[str, dict[EncodingKey, dict[Recipient, None]]] = {}

    def add(self, audience: str, encoding_key: EncodingKey, recipient: Recipient) -> None:
        """Subscribe `recipient` to `audience`, encoded as `encoding_key` says."""
        self._audiences.setdefault(audience, {}).setdefault(encoding_key, {})[recipient] = None

    def remove(self, audience: str, encoding_key: EncodingKey, recipient: Recipient) -> None:
        """Undo `add`; does nothing if there is no such subscription."""
        groups = self._audiences.get(audience)
        if groups is None or recipient not in groups.get(encoding_key, ()):
            return
        del groups[encoding_key][recipient]
        if not groups[encoding_key]:
            del groups[encoding_key]
            if not groups:
                del self._audiences[audience]

    def groups(self, audience: str) -> ItemsView[EncodingKey, dict[Recipient, None]]:
        """Return the recipients of `audience` by encoding key."""
        return self._audiences.get(audience, {}).items()

    @property
    def audiences(self) -> KeysView[str]:
        """A live view of the audiences with subscriptions."""
        return self._audiences.keys()
