"""Deduplication and order check of one subscription's events."""

import re
from collections import OrderedDict

from madang_client.errors import OutOfOrder
from madang_client.event import Event

EVENT_ID = re.compile(r"[0-9a-v]{12}")


class Sequence:
    """The last events of one subscription; each new event must come after them.

    Ids up to the floor count as seen: those before the start, and those evicted from memory.
    """

    def __init__(self, since: str | None, capacity: int) -> None:
        """Start after `since`: an event's id, or another position from the server."""
        self._capacity = capacity
        self._seen: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._keys: set[tuple[str, str]] = set()
        self.restart(since)

    def restart(self, position: str | None) -> None:
        """Start again after `position`."""
        self.position = position
        """Position to resume from; None if unknown."""
        self._floor = self._last = _sort_key(position)
        self._seen.clear()
        self._keys.clear()

    def rewind(self, end: str | None) -> None:
        """Restart if the server's `end` is before the last event: it has another log."""
        if end is not None and _sort_key(end) < self._last:
            self.restart(end)

    def admit(self, event: Event) -> bool:
        """Return whether `event` is new; raise OutOfOrder if it is new but before the last."""
        if not event.id:
            return True  # a live event, which the server never sends again
        if event.id <= self._last:
            if event.id <= self._floor or event.id in self._seen:
                return False
            raise OutOfOrder(f"event {event.id} came after {self._last}")
        key = (event.sender, event.key)
        repeated = key in self._keys  # its sender sent it twice; the first one wins
        self.position = self._last = event.id
        self._remember(event.id, key)
        return not repeated

    def _remember(self, event_id: str, key: tuple[str, str]) -> None:
        self._seen[event_id] = key
        self._keys.add(key)
        if len(self._seen) > self._capacity:
            self._floor, evicted = self._seen.popitem(last=False)
            self._keys.discard(evicted)


def _sort_key(position: str | None) -> str:
    """Return `position` as a sort key among ids; empty for a position that is not an id."""
    return position if position and EVENT_ID.fullmatch(position) else ""
