"""What the log says about a room, and how a stored room differs from it."""

from dataclasses import replace
from typing import Any

import pytest

from madang_common.clock import rfc3339
from madang_common.events.data import Data
from madang_common.events.envelope import Event
from madang_common.events.kinds import (
    InviteDeclined,
    InviteReceived,
    MemberBanned,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    MembershipAdded,
    MemberUnbanned,
    Role,
    RoomArchived,
    RoomCreated,
    RoomHidden,
    RoomUpdated,
    Visibility,
    document,
)
from madang_common.events.message_kinds import MessageCreated
from madang_rooms.recovery.differences import (
    Comparison,
    ComparisonContext,
    Part,
    StoredInvite,
    StoredMember,
    StoredRoom,
    compare_room,
)
from madang_rooms.recovery.facts import Facts, milliseconds

ROOM = "yard"
NOW_MS = 1_800_000_000_000
EMPTY = StoredRoom("Yard", False, 0, {}, {}, {}, {})  # noqa: FBT003 - no field set
EVERYONE = frozenset({"ana", "bo", "cy"})


class Story:
    """Events in the log's order, a second apart."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.at_ms = NOW_MS - 1_000_000
        self.number = 0

    def tell(
        self, data: Data, *, by: str = "ana", user: str | None = None, key: str = "", **more: Any
    ) -> int:
        """Apply an event of the room, or of `user`; return its time in milliseconds."""
        self.at_ms += 1000
        self.number += 1
        fields = document(data)
        for name in more.get("without", ()):
            del fields[name]
        event = Event(
            key=key or f"key {self.number}",
            kind=data.kind,
            sender=by,
            sender_name=by,
            at=rfc3339(self.at_ms / 1000),
            data=fields,
            room=ROOM if user is None else None,
            user=user,
        )
        self.facts.apply(event)
        return self.at_ms

    def created(self, visibility: Visibility = Visibility.PUBLIC) -> None:
        self.tell(RoomCreated(name="Yard", visibility=visibility))

    def joined(self, user: str, role: Role = Role.MEMBER) -> int:
        self.tell(MembershipAdded(room=ROOM, room_name="Yard", role=role), user=user)
        return self.tell(MemberJoined(user=user, name=user.title(), role=role, by=user))

    def compared(self, stored: StoredRoom | None, **changes: Any) -> Comparison:
        context = ComparisonContext(users=EVERYONE, now_ms=NOW_MS, removals_since_ms=0)
        return compare_room(self.facts, self.facts.rooms[ROOM], stored, replace(context, **changes))

    def found(self, stored: StoredRoom | None, **changes: Any) -> list[tuple[Any, ...]]:
        differences = self.compared(stored, **changes).differences
        return [(one.part, one.subject, one.stored, one.log) for one in differences]


def member(joined_at_ms: int, role: Role = Role.MEMBER, *, hidden: bool = False) -> StoredMember:
    return StoredMember(role, joined_at_ms, hidden)


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_agrees_is_no_difference(story: Story) -> None:
    story.created()
    at_ms = story.joined("ana", Role.OWNER)
    stored = replace(EMPTY, member_count=1, members={"ana": member(at_ms, Role.OWNER)})

    assert story.found(stored) == []


def test_the_last_event_about_each_part_counts(story: Story) -> None:
    story.created()
    ana, bo = story.joined("ana", Role.OWNER), story.joined("bo")
    story.tell(RoomUpdated(name="Second"))
    story.tell(RoomUpdated(name="Third"))
    story.tell(MemberRoleChanged(user="bo", name="Bo", role=Role.MODERATOR, by="ana"))
    story.tell(RoomArchived())
    members = {"ana": member(ana, Role.OWNER), "bo": member(bo)}

    assert story.found(replace(EMPTY, member_count=2, members=members)) == [
        (Part.NAME, None, "Yard", "Third"),
        (Part.ARCHIVED, None, False, True),
        (Part.ROLE, "bo", Role.MEMBER, Role.MODERATOR),
    ]


def test_a_repeated_event_does_not_undo_what_came_after_it(story: Story) -> None:
    story.created()
    joined = MemberJoined(user="bo", name="Bo", role=Role.MEMBER, by="bo")
    story.tell(joined, key="join")
    story.tell(MemberLeft(user="bo", name="Bo"))

    story.tell(joined, key="join")

    assert story.found(EMPTY) == []


def test_a_missing_room_is_created_with_its_members(story: Story) -> None:
    story.created()
    story.joined("ana", Role.OWNER)
    story.joined("bo")

    assert story.found(None) == [
        (Part.ROOM, None, None, "Yard"),
        (Part.MEMBER, "ana", None, Role.OWNER),
        (Part.MEMBER, "bo", None, Role.MEMBER),
        (Part.MEMBER_COUNT, None, 0, 2),
    ]


@pytest.mark.parametrize("kept", [True, False])
def test_a_membership_that_ended_is_a_difference(story: Story, *, kept: bool) -> None:
    if kept:
        story.created()
        story.joined("bo")
    at_ms = story.tell(MemberRemoved(user="bo", name="Bo", by="ana"))

    assert story.found(replace(EMPTY, member_count=1, members={"bo": member(1)})) == [
        (Part.MEMBER, "bo", Role.MEMBER, None),
        (Part.REMOVED_AT, "bo", None, rfc3339(at_ms / 1000)),
        (Part.MEMBER_COUNT, None, 1, 0),
    ]


def test_members_that_the_log_does_not_mention_are_counted_and_left_alone(story: Story) -> None:
    story.tell(RoomUpdated(name="Yard"))
    stored = replace(EMPTY, member_count=2, members={"ana": member(1), "bo": member(1)})

    compared = story.compared(stored)

    assert compared.differences == []
    assert compared.unmentioned_members == 2


def test_a_room_whose_creation_is_not_in_the_log_is_lost(story: Story) -> None:
    story.joined("ana")

    compared = story.compared(None)

    assert compared.differences == []
    assert [(one.part, one.reason) for one in compared.lost] == [
        (Part.ROOM, "the log no longer has its creation")
    ]


def test_members_without_an_account_are_lost_and_the_room_is_not(story: Story) -> None:
    story.created()
    story.joined("ana", Role.OWNER)
    story.joined("bo")

    compared = story.compared(None, users={"bo"})

    assert [(one.part, one.subject) for one in compared.differences] == [
        (Part.ROOM, None),
        (Part.MEMBER, "bo"),
        (Part.MEMBER_COUNT, None),
    ]
    assert [(one.part, one.subject, one.reason) for one in compared.lost] == [
        (Part.MEMBER, "ana", "there is no user 'Ana'")
    ]


def test_a_room_none_of_whose_members_has_an_account_is_lost(story: Story) -> None:
    story.created()
    story.joined("ana", Role.OWNER)

    compared = story.compared(None, users=set())

    assert [one.reason for one in compared.lost] == ["none of its members exists"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"users": {"ana"}}, "one of its two members does not exist"),
        ({"direct_room": "other"}, "its members have the direct room other meanwhile"),
    ],
)
def test_a_direct_room_needs_both_of_its_members_and_no_other(
    story: Story, changes: dict[str, Any], reason: str
) -> None:
    story.created(Visibility.DIRECT)
    story.joined("ana")
    story.joined("bo")

    assert [one.reason for one in story.compared(None, **changes).lost] == [reason]


def test_a_direct_room_that_its_other_member_was_not_told_of_is_hidden(story: Story) -> None:
    story.created(Visibility.DIRECT)
    ana = story.joined("ana")
    bo = story.tell(MemberJoined(user="bo", name="Bo", role=Role.MEMBER, by="ana"))
    stored = replace(EMPTY, member_count=2, members={"ana": member(ana), "bo": member(bo)})

    assert story.found(stored) == [(Part.HIDDEN, "bo", False, True)]
    story.tell(RoomHidden(room=ROOM, hidden=False), by="bo", user="bo")
    assert story.found(stored) == []


def test_nothing_is_said_to_be_hidden_if_the_log_may_have_dropped_the_announcement(
    story: Story,
) -> None:
    story.created(Visibility.DIRECT)
    ana = story.joined("ana")
    bo = story.tell(MemberJoined(user="bo", name="Bo", role=Role.MEMBER, by="ana"))
    story.facts.keeps_since(story.at_ms + 1)
    members = {"ana": member(ana), "bo": member(bo)}

    assert story.found(replace(EMPTY, member_count=2, members=members)) == []


def banned(until_ms: int | None = None, *, removed: bool = False) -> MemberBanned:
    until = None if until_ms is None else rfc3339(until_ms / 1000)
    return MemberBanned(user="bo", name="Bo", by="ana", removed=removed, until=until)


def test_a_ban_and_its_expiry_are_compared(story: Story) -> None:
    story.created()
    at_ms = story.tell(banned(NOW_MS + 5000))
    until = f"until {rfc3339(NOW_MS / 1000 + 5)}"
    removals = {"bo": at_ms}

    assert story.found(EMPTY) == [
        (Part.BAN, "bo", None, until),
        (Part.REMOVED_AT, "bo", None, rfc3339(at_ms / 1000)),
    ]
    assert story.found(replace(EMPTY, removals=removals, bans={"bo": NOW_MS + 5000})) == []
    assert story.found(replace(EMPTY, removals=removals, bans={"bo": None})) == [
        (Part.BAN, "bo", "without expiry", until)
    ]


def test_an_expired_ban_is_none(story: Story) -> None:
    story.created()
    at_ms = story.tell(banned(NOW_MS - 1))
    removals = {"bo": at_ms}

    assert story.found(replace(EMPTY, removals=removals)) == []
    assert story.found(replace(EMPTY, removals=removals, bans={"bo": None})) == [
        (Part.BAN, "bo", "without expiry", None)
    ]


def test_a_changed_expiry_is_no_new_removal(story: Story) -> None:
    story.created()
    at_ms = story.tell(banned(NOW_MS + 5000))
    story.tell(banned(None))
    stored = replace(EMPTY, removals={"bo": at_ms}, bans={"bo": None})

    assert story.found(stored) == []


def test_a_ban_of_a_version_without_expiries_keeps_the_stored_one(story: Story) -> None:
    story.created()
    at_ms = story.tell(banned(), without=["until"])
    removals = {"bo": at_ms}

    assert story.found(replace(EMPTY, removals=removals, bans={"bo": NOW_MS + 5000})) == []
    assert story.found(replace(EMPTY, removals=removals)) == [
        (Part.BAN, "bo", None, "without expiry")
    ]


def test_a_lifted_ban_makes_the_older_links_valid_again(story: Story) -> None:
    story.created()
    story.tell(banned())
    story.tell(MemberUnbanned(user="bo", name="Bo", by="ana"))
    stored = replace(EMPTY, bans={"bo": None}, removals={"bo": NOW_MS - 5})

    assert [one[:2] for one in story.found(stored)] == [(Part.BAN, "bo"), (Part.REMOVED_AT, "bo")]


def test_a_removal_that_no_link_can_be_older_than_is_not_compared(story: Story) -> None:
    story.created()
    story.tell(MemberRemoved(user="bo", name="Bo", by="ana"))

    assert story.found(EMPTY, removals_since_ms=NOW_MS) == []


def test_invites_are_used_up_revoked_and_declined(story: Story) -> None:
    story.created()
    made = {
        "used": StoredInvite("ana", story.at_ms + 1, declined=False),
        "revoked": StoredInvite("bo", story.at_ms + 1, declined=False),
        "declined": StoredInvite("cy", story.at_ms + 1, declined=False),
        "open": StoredInvite("cy", story.at_ms + 1, declined=False),
    }
    ana = story.joined("ana")
    bo = story.tell(MemberRemoved(user="bo", name="Bo", by="ana"))
    story.joined("bo")
    at_ms = story.at_ms
    story.tell(InviteDeclined(room=ROOM, code="declined"), user="cy")
    made["newer"] = StoredInvite("ana", story.at_ms + 1, declined=False)
    members = {"ana": member(ana), "bo": member(at_ms)}
    stored = replace(EMPTY, member_count=2, members=members, removals={"bo": bo}, invites=made)

    assert story.found(stored) == [
        (Part.INVITE, "used", "open", "used"),
        (Part.INVITE, "revoked", "open", "revoked"),
        (Part.INVITE, "declined", "open", "declined"),
    ]


def test_a_wrong_number_of_members_is_a_difference(story: Story) -> None:
    story.tell(RoomUpdated(name="Yard"))

    assert story.found(replace(EMPTY, member_count=2, members={"ana": member(1)})) == [
        (Part.MEMBER_COUNT, None, 2, 1)
    ]


def test_events_that_cannot_be_read_are_counted_and_those_of_others_are_not(story: Story) -> None:
    facts = story.facts
    broken = Event("k", "member.joined", "ana", "Ana", rfc3339(1), {"user": "bo"}, room=ROOM)
    facts.apply(broken)
    facts.apply(broken._replace(key="l", kind="room.archived", data={}, at="soon"))
    facts.apply(broken._replace(key="m", kind=MessageCreated.kind, data={"nonsense": 1}))
    ban = MemberBanned(user="bo", name="Bo", by="ana", removed=True, until="soon")
    facts.apply(broken._replace(key="n", kind=ban.kind, data=document(ban)))

    assert facts.invalid == 3
    assert facts.rooms == {}


def test_received_invites_are_kept_by_code(story: Story) -> None:
    received = InviteReceived(room=ROOM, room_name="Yard", code="c", by="ana")
    at_ms = story.tell(received, user="bo")

    invite = story.facts.invites["c"]
    assert (invite.room, invite.user, invite.by, invite.at_ms) == (ROOM, "bo", "ana", at_ms)


def test_times_are_read_as_they_were_written() -> None:
    assert milliseconds(rfc3339(NOW_MS / 1000 + 0.123)) == NOW_MS + 123


@pytest.mark.parametrize(
    "at", ["9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_written_is_refused(at: str) -> None:
    with pytest.raises(ValueError, match=at):
        milliseconds(at)

    assert rfc3339(milliseconds("9999-12-31T23:59:59.999Z") / 1000) == "9999-12-31T23:59:59.999Z"
