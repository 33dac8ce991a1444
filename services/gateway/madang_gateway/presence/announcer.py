"""Telling a room that somebody came or went."""

from collections.abc import Iterable

from madang_common.clock import rfc3339
from madang_common.events.envelope import Event
from madang_common.events.kinds import PresenceJoined, PresenceLeft, document, kind_of
from madang_common.ids import next_id
from madang_common.live.port import Live
from madang_gateway.presence.port import PresenceChange


class Notices:
    """Tells all gateways, which tell the rooms' `.live` subscribers.

    In a room with many present nobody is told: each notice would go to all of them.
    """

    def __init__(self, live: Live, *, most_present: int) -> None:
        """Tell nobody where more than `most_present` are present."""
        self._live = live
        self._most_present = most_present

    def joined(self, turns: Iterable[PresenceChange]) -> None:
        """Tell of those who are present now and were not before."""
        for turn in turns:
            self._tell(turn, PresenceJoined(user=turn.stay.user, name=turn.stay.name))

    def left(self, turns: Iterable[PresenceChange]) -> None:
        """Tell of those who are present no more."""
        for turn in turns:
            self._tell(turn, PresenceLeft(user=turn.stay.user, name=turn.stay.name))

    def _tell(self, turn: PresenceChange, data: PresenceJoined | PresenceLeft) -> None:
        if turn.count > self._most_present:
            return
        event = Event(
            key=next_id(),
            kind=kind_of(data),
            sender=turn.stay.user,
            sender_name=turn.stay.name,
            at=rfc3339(turn.at),
            data=document(data),
            room=turn.stay.room,
        )
        self._live.publish(event.line())
