"""Messages after the end of their sender's membership do not count."""

import pytest

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, room_audience


def event(kind: str, sender: str = "mina", *, room: str = "yard", **data: object) -> Event:
    return Event("k", kind, sender, sender, "2026-01-01T00:00:00.000Z", data, room)


def said(sender: str = "mina", room: str = "yard") -> Event:
    return event("message.created", sender, room=room, text="hi")


@pytest.mark.parametrize("kind", ["member.left", "member.removed", "member.banned"])
def test_messages_of_a_former_member_are_excluded_until_they_rejoin(kind: str) -> None:
    departures = Departures(10)
    assert not departures.exclude(said())

    departures.apply(event(kind, "owner", user="mina"))

    assert departures.exclude(said())
    assert not departures.exclude(said("jun"))
    assert not departures.exclude(said(room="well"))
    assert departures.any_in(room_audience("yard"))
    assert not departures.any_in(room_audience("well"))
    departures.apply(event("member.joined", "owner", user="mina"))
    assert not departures.exclude(said())
    assert not departures.any_in(room_audience("yard"))


def test_all_messages_in_an_archived_room_are_excluded() -> None:
    departures = Departures(10)

    departures.apply(event("room.archived", "owner"))

    assert departures.exclude(said())
    assert departures.exclude(said("owner"))


def test_only_kinds_that_require_membership_are_excluded() -> None:
    departures = Departures(10)
    departures.apply(event("member.left", user="mina"))

    assert not departures.exclude(event("member.joined", user="mina"))
    assert not departures.exclude(event("member.role_changed", user="jun"))


def test_other_events_change_nothing() -> None:
    departures = Departures(10)

    for kind in ("message.created", "member.role_changed", "room.updated", "member.unbanned"):
        departures.apply(event(kind, user="mina"))

    assert not departures.any_in(room_audience("yard"))


def test_the_rooms_left_last_are_remembered() -> None:
    departures = Departures(10)
    for number in range(100):
        departures.apply(event("member.left", user="mina", room=f"room-{number}"))

    assert departures.exclude(said(room="room-99"))
    assert not departures.exclude(said(room="room-0"))
