"""Who may no longer be heard in a room: every reader of the log ignores what stands behind that.

A gateway checks a membership and appends; another process may put the member's removal into the log
between the two. What then stands behind the removal does not count, for any reader: it is not
delivered, not stored and not acknowledged. Each reader follows a shard in the same order, so all
of them agree.
"""

from madang_common.events.envelope import Event
from madang_common.generations import Generations

LEFT = frozenset({"member.left", "member.removed", "member.banned"})
"""Kinds of events after which a user is not a member."""
_JOINED = "member.joined"
_ARCHIVED = "room.archived"
NOTED = LEFT | {_JOINED, _ARCHIVED}
"""Kinds of events that change who may be heard."""
_SAID = frozenset({"message.created"})
"""Kinds of events that only members may cause."""
_EVERYONE = "*"


class Departures:
    """The users who left each room, by the room's audience, as far back as its events were noted.

    Rooms are forgotten when there are too many of them: a message can stand only a moment behind
    the departure that it crossed.
    """

    def __init__(self, rooms: int) -> None:
        """Remember at least the last half of `rooms` rooms that somebody left."""
        self._gone: Generations[str, set[str]] = Generations(rooms)

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
        """Tell whether `event` does not count: its sender was not a member any more."""
        if event.kind not in _SAID:
            return False
        gone = self._gone.get(event.audience)
        return gone is not None and (event.sender in gone or _EVERYONE in gone)
