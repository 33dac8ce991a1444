"""Which events of a subscription are new, which were seen, and whether their order holds."""

from collections import OrderedDict

from madang_client.errors import OutOfOrder
from madang_client.event import Event


class Sequence:
    """The last events of one subscription; every new one has to come after them.

    Ids up to the floor count as seen: what the reader said it has (`since`), and what has been
    forgotten here to keep the memory bounded.
    """

    def __init__(self, since: str | None, remembered: int) -> None:
        self._remembered = remembered
        self._floor = since or ""
        self._seen: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._keys: set[tuple[str, str]] = set()
        self.last = since
        """Id of the newest event seen or covered, from which to resume."""

    def cover(self, position: str) -> None:
        """Count everything up to `position` as seen."""
        if position > (self.last or ""):
            self.last = self._floor = position

    def admit(self, event: Event) -> bool:
        """Tell whether `event` is new; raise OutOfOrder if it is, but belongs before the last."""
        if not event.id:
            return True  # not kept by the server, so it is never sent again
        if self.last is not None and event.id <= self.last:
            if event.id <= self._floor or event.id in self._seen:
                return False
            raise OutOfOrder(f"event {event.id} came after {self.last}")
        key = (event.sender, event.key)
        repeated = key in self._keys  # its sender sent it twice; the first one counts
        self.last = event.id
        self._remember(event.id, key)
        return not repeated

    def _remember(self, event_id: str, key: tuple[str, str]) -> None:
        self._seen[event_id] = key
        self._keys.add(key)
        if len(self._seen) > self._remembered:
            self._floor, forgotten = self._seen.popitem(last=False)
            self._keys.discard(forgotten)
