"""Which events of a subscription are new, which were seen, and whether their order holds."""

import re
from collections import OrderedDict

from madang_client.errors import OutOfOrder
from madang_client.event import Event

EVENT_ID = re.compile(r"[0-9a-v]{12}")


class Sequence:
    """The last events of one subscription; every new one has to come after them.

    Ids up to the floor count as seen: what the reader said it has, and what has been forgotten here
    to keep the memory bounded.
    """

    def __init__(self, since: str | None, remembered: int) -> None:
        """Begin after `since`: an event's id, or another position that the server gave."""
        self._remembered = remembered
        self._seen: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._keys: set[tuple[str, str]] = set()
        self.restart(since)

    def restart(self, position: str | None) -> None:
        """Count on nothing but that what comes next comes after `position`."""
        self.position = position
        """What to resume from; None if that is not known."""
        self._floor = self._last = _place(position)
        self._seen.clear()
        self._keys.clear()

    def rewind(self, end: str | None) -> None:
        """Start over if the server's `end` lies before what was seen: its log is another one."""
        if end is not None and _place(end) < self._last:
            self.restart(end)

    def admit(self, event: Event) -> bool:
        """Tell whether `event` is new; raise OutOfOrder if it is, but belongs before the last."""
        if not event.id:
            return True  # not kept by the server, so it is never sent again
        if event.id <= self._last:
            if event.id <= self._floor or event.id in self._seen:
                return False
            raise OutOfOrder(f"event {event.id} came after {self._last}")
        key = (event.sender, event.key)
        repeated = key in self._keys  # its sender sent it twice; the first one counts
        self.position = self._last = event.id
        self._remember(event.id, key)
        return not repeated

    def _remember(self, event_id: str, key: tuple[str, str]) -> None:
        self._seen[event_id] = key
        self._keys.add(key)
        if len(self._seen) > self._remembered:
            self._floor, forgotten = self._seen.popitem(last=False)
            self._keys.discard(forgotten)


def _place(position: str | None) -> str:
    """Return where `position` sorts among ids; a server's name for its beginning is none."""
    return position if position and EVENT_ID.fullmatch(position) else ""
