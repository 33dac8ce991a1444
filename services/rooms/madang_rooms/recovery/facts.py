"""What the events of the log say about rooms and their members; no I/O.

The first event with a given (audience, sender, key) counts, as for every consumer of the log.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from madang_common.events.data import Data
from madang_common.events.envelope import Event
from madang_common.events.kinds import (
    KINDS,
    InviteDeclined,
    InviteReceived,
    MemberBanned,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    MembershipAdded,
    MembershipRemoved,
    MemberUnbanned,
    Role,
    RoomArchived,
    RoomCreated,
    RoomHidden,
    RoomUpdated,
    Visibility,
)

_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, after which no time can be written."""

KINDS_OF_ROOMS = frozenset(
    data.kind
    for data in (
        InviteDeclined,
        InviteReceived,
        MemberBanned,
        MemberJoined,
        MemberLeft,
        MemberRemoved,
        MemberRoleChanged,
        MemberUnbanned,
        MembershipAdded,
        MembershipRemoved,
        RoomArchived,
        RoomCreated,
        RoomHidden,
        RoomUpdated,
    )
)
"""Kinds of the events that rooms publishes; all others say nothing about the database."""


@dataclass(slots=True)
class Creation:
    """The creation of a room."""

    visibility: Visibility
    by: str
    at_ms: int


@dataclass(slots=True)
class Membership:
    """A membership that had not ended at the end of the log."""

    role: Role
    joined_at_ms: int | None
    """None if the log no longer has the event."""


@dataclass(slots=True)
class Ban:
    """A ban that was not lifted; it may have expired."""

    by: str
    at_ms: int
    until_ms: int | None
    """When it expires; None for never."""
    is_until_known: bool
    """False for an event of a version that did not publish the expiry."""

    def in_force(self, now_ms: int) -> bool:
        """Return whether it has not expired at `now_ms`."""
        return self.until_ms is None or self.until_ms > now_ms


@dataclass(slots=True)
class JoinOrRemoval:
    """A join or a removal, after which the user's earlier invites are used or revoked."""

    at_ms: int
    is_join: bool


@dataclass(slots=True)
class Person:
    """What the log says about one user in one room.

    False stands for "the log says that there is none", None for "the log says nothing".
    """

    name: str = ""
    membership: Membership | Literal[False] | None = None
    ban: Ban | Literal[False] | None = None
    removed_at_ms: int | Literal[False] | None = None
    """When they were last removed or banned; older links do not admit them."""
    hidden: bool | None = None
    """Whether they hid this direct room from their list."""
    is_announced: bool = False
    """Whether they were told that they are a member."""
    joins_and_removals: list[JoinOrRemoval] = field(default_factory=list)


@dataclass(slots=True)
class RoomFacts:
    """What the log says about one room."""

    id: str
    created: Creation | None = None
    """None if the log no longer has the event."""
    name: str | None = None
    archived_at_ms: int | None = None
    people: dict[str, Person] = field(default_factory=dict)
    """By user id."""

    def person(self, user: str) -> Person:
        """Return what is said about `user`, to be changed."""
        found = self.people.get(user)
        if found is None:
            found = self.people[user] = Person()
        return found

    def members(self) -> Iterator[tuple[str, Membership]]:
        """Yield the members that the log knows, with their ids."""
        for user, person in self.people.items():
            if isinstance(person.membership, Membership):
                yield user, person.membership


@dataclass(slots=True)
class InviteFacts:
    """An invite for one user."""

    room: str
    user: str
    by: str
    at_ms: int


class Facts:
    """The facts about all rooms; apply the events of each shard in order."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomFacts] = {}
        self.invites: dict[str, InviteFacts] = {}
        """By code."""
        self.declined: dict[str, int] = {}
        """When invites were declined, by code, in milliseconds."""
        self.invalid = 0
        """Number of events of rooms whose data could not be read."""
        # Hashes: an event takes some 70 bytes here.
        self._seen: set[int] = set()
        self._kept_since_ms = 0

    def keeps_since(self, at_ms: int) -> None:
        """Note that the log no longer has the events of some shard before `at_ms`."""
        self._kept_since_ms = max(self._kept_since_ms, at_ms)

    def has(self, event: Event) -> bool:
        """Return whether this event of rooms was applied."""
        return _identity(event) in self._seen

    def apply(self, event: Event) -> None:
        """Apply the next event of its shard; a repeated one changes nothing."""
        if event.kind not in KINDS_OF_ROOMS or self.has(event):
            return
        self._seen.add(_identity(event))
        try:
            data = KINDS[event.kind].model_validate(event.data)
            at_ms = milliseconds(event.at)
            until_ms = _until_ms(data)
        except (ValidationError, ValueError):
            self.invalid += 1
            return
        if event.room is not None:
            _apply_to_room(self._room(event.room), event, data, at_ms, until_ms)
        elif event.user is not None:
            self._apply_to_user(event.user, data, at_ms)

    def hidden(self, room: RoomFacts, user: str) -> bool | None:
        """Return whether `user` hid the direct `room`; None if the log does not say.

        A direct room that is opened by a user whom the other one blocks is hidden from that one,
        who is not told that it exists.
        """
        person = room.people[user]
        if person.hidden is not None or room.created is None:
            return person.hidden
        if room.created.at_ms < self._kept_since_ms:
            return None  # the log may have dropped what told them
        return not person.is_announced

    def _room(self, room: str) -> RoomFacts:
        found = self.rooms.get(room)
        if found is None:
            found = self.rooms[room] = RoomFacts(room)
        return found

    def _apply_to_user(self, user: str, data: Data, at_ms: int) -> None:
        match data:
            case RoomHidden():
                self._room(data.room).person(user).hidden = data.hidden
            case MembershipAdded():
                self._room(data.room).person(user).is_announced = True
            case InviteReceived():
                self.invites[data.code] = InviteFacts(data.room, user, data.by, at_ms)
            case InviteDeclined():
                self.declined[data.code] = at_ms
            case _:  # the room's own event says the same
                pass


def _apply_to_room(
    room: RoomFacts, event: Event, data: Data, at_ms: int, until_ms: int | None
) -> None:
    match data:
        case RoomCreated():
            room.created = Creation(data.visibility, event.sender, at_ms)
            room.name = data.name
        case RoomUpdated():
            room.name = data.name
        case RoomArchived():
            room.archived_at_ms = at_ms
        case MemberJoined():
            person = _named(room, data.user, data.name)
            person.membership = Membership(data.role, at_ms)
            person.ban = False
            person.joins_and_removals.append(JoinOrRemoval(at_ms, is_join=True))
        case MemberRoleChanged():
            person = _named(room, data.user, data.name)
            joined_at_ms = (
                person.membership.joined_at_ms
                if isinstance(person.membership, Membership)
                else None
            )
            person.membership = Membership(data.role, joined_at_ms)
        case MemberLeft():
            _named(room, data.user, data.name).membership = False
        case MemberRemoved():
            _remove(_named(room, data.user, data.name), at_ms)
        case MemberBanned():
            _ban(_named(room, data.user, data.name), data, at_ms, until_ms)
        case MemberUnbanned():
            person = _named(room, data.user, data.name)
            person.ban = person.removed_at_ms = False
        case _:
            raise AssertionError(f"{data.kind} is an event of a user")


def _ban(person: Person, data: MemberBanned, at_ms: int, until_ms: int | None) -> None:
    before = person.ban
    is_change = not data.removed and isinstance(before, Ban) and before.in_force(at_ms)
    if not is_change:
        _remove(person, at_ms)
    person.ban = Ban(
        data.by,
        before.at_ms if is_change and isinstance(before, Ban) else at_ms,
        until_ms,
        "until" in data.model_fields_set,
    )


def _remove(person: Person, at_ms: int) -> None:
    person.membership = False
    person.removed_at_ms = at_ms
    person.joins_and_removals.append(JoinOrRemoval(at_ms, is_join=False))


def _named(room: RoomFacts, user: str, name: str | None) -> Person:
    person = room.person(user)
    person.name = name or person.name
    return person


def _identity(event: Event) -> int:
    return hash((event.audience, event.sender, event.key))


def _until_ms(data: Data) -> int | None:
    """Return when the ban that `data` reports expires; None for never or for no ban."""
    if not isinstance(data, MemberBanned) or data.until is None:
        return None
    return milliseconds(data.until)


def milliseconds(at: str) -> int:
    """Return the time `at` (RFC 3339) in milliseconds since the epoch; raise ValueError."""
    at_ms = round(datetime.fromisoformat(at).timestamp() * 1000)
    if at_ms > _LATEST_MS:  # by an offset or by rounding
        raise ValueError(f"{at} is after the year 9999")
    return at_ms
