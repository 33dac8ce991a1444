"""Excludes messages in the log that follow the end of their sender's membership.

A gateway checks a membership and appends the message; another process may append the member's
removal in between. Every reader ignores a message after the removal: it is not delivered, not
stored and not acknowledged. All readers agree, because each reads a shard in the same order.
"""

from madang_common.events.data import MembershipChange
from madang_common.events.envelope import Event
from madang_common.events.kinds import MEMBERSHIP_CHANGES, REQUIRING_MEMBERSHIP
from madang_common.lru import Lru

_EVERYONE = "*"


class Departures:
    """The users who left each room, by the room's audience, since the first event that was applied.

    The least recently used rooms are dropped when there are too many. That is safe: a message to
    exclude follows the end of its sender's membership within moments.
    """

    def __init__(self, rooms: int = 100_000) -> None:
        """Keep at least the `rooms` / 2 rooms that were left last."""
        self._left: Lru[str, set[str]] = Lru(rooms)

    def apply(self, event: Event) -> None:
        """Apply the next event of the log."""
        change = MEMBERSHIP_CHANGES.get(event.kind)
        if change is None or change is MembershipChange.ROLE:
            return
        audience, user = event.audience, str(event.data.get("user"))
        left = self._left.get(audience)
        if change is MembershipChange.BEGINS:
            if left is not None:
                left.discard(user)
            return
        if left is None:
            left = set()
            self._left.put(audience, left)
        left.add(_EVERYONE if change is MembershipChange.CLOSES_ROOM else user)

    def any_in(self, audience: str) -> bool:
        """Return whether any user is known to have left `audience`."""
        return bool(self._left.get(audience))

    def exclude(self, event: Event) -> bool:
        """Return whether `event` must be ignored because its sender had left the room before it."""
        if event.kind not in REQUIRING_MEMBERSHIP:
            return False
        left = self._left.get(event.audience)
        return left is not None and (event.sender in left or _EVERYONE in left)

    def __bool__(self) -> bool:
        """Return whether any user is known to have left any room."""
        return len(self._left) > 0
