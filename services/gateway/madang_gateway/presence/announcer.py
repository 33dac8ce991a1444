"""Announces presence changes in the rooms concerned."""

from collections.abc import Iterable

from madang_common.clock import rfc3339
from madang_common.events.envelope import Event
from madang_common.events.kinds import PresenceJoined, PresenceLeft, document
from madang_common.ids import next_id
from madang_common.live.port import Live
from madang_gateway.presence.port import PresenceChange


class PresenceAnnouncer:
    """Publishes presence changes as live events, which every gateway delivers.

    Rooms with many users get none: each event would be delivered to all of them.
    """

    def __init__(self, live: Live, *, max_present: int) -> None:
        """Announce nothing in rooms with more than `max_present` users."""
        self._live = live
        self._max_present = max_present

    def joined(self, changes: Iterable[PresenceChange]) -> None:
        """Announce users who are present now and were not before."""
        for change in changes:
            self._announce(change, PresenceJoined(user=change.entry.user, name=change.entry.name))

    def left(self, changes: Iterable[PresenceChange]) -> None:
        """Announce users who are no longer present."""
        for change in changes:
            self._announce(change, PresenceLeft(user=change.entry.user, name=change.entry.name))

    def _announce(self, change: PresenceChange, data: PresenceJoined | PresenceLeft) -> None:
        if change.count > self._max_present:
            return
        event = Event(
            key=next_id(),
            kind=data.kind,
            sender=change.entry.user,
            sender_name=change.entry.name,
            at=rfc3339(change.at),
            data=document(data),
            room=change.entry.room,
        )
        self._live.publish(event.line())
