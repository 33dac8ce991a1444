"""Messages that stand in the log after the end of their sender's membership do not count.

A gateway checks a membership and appends; another process may append the member's removal between
the two. Every reader ignores a message after the removal: it is not delivered, not stored and not
acknowledged. All readers agree, because each follows a shard in the same order.
"""

from madang_common.events.envelope import Event
from madang_common.lru import Lru

LEFT = frozenset({"member.left", "member.removed", "member.banned"})
"""Kinds of events after which a user is not a member."""
_JOINED = "member.joined"
_ARCHIVED = "room.archived"
NOTED = LEFT | {_JOINED, _ARCHIVED}
"""Kinds of events that change whose messages count."""
_SAID = frozenset({"message.created"})
"""Kinds of events that count only from members."""
_EVERYONE = "*"


class Departures:
    """The users who left each room, by the room's audience, since the first event that was noted.

    The oldest rooms are dropped when there are too many: a message that crossed a departure stands
    only a moment after it.
    """

    def __init__(self, rooms: int = 100_000) -> None:
        """Remember at least the last half of `rooms` rooms that somebody left."""
        self._gone: Lru[str, set[str]] = Lru(rooms)

    def note(self, event: Event) -> None:
        """Take an event, in the log's order."""
        if event.kind not in NOTED:
            return
        audience, user = event.audience, str(event.data.get("user"))
        gone = self._gone.get(audience)
        if event.kind == _JOINED:
            if gone is not None:
                gone.discard(user)
            return
        if gone is None:
            gone = set()
            self._gone.put(audience, gone)
        gone.add(_EVERYONE if event.kind == _ARCHIVED else user)

    def concern(self, audience: str) -> bool:
        """Tell whether anybody is remembered to have left `audience`."""
        return bool(self._gone.get(audience))

    def bar(self, event: Event) -> bool:
        """Tell whether `event` does not count, because its sender had left the room before it."""
        if event.kind not in _SAID:
            return False
        gone = self._gone.get(event.audience)
        return gone is not None and (event.sender in gone or _EVERYONE in gone)

    def __bool__(self) -> bool:
        """Return whether anybody is remembered."""
        return len(self._gone) > 0
