"""How the database differs from what the log says about a room; no I/O.

Only what an event says is compared. The log does not have users and their passwords, links, blocks,
the reasons of bans, and the expiry and uses of invites.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from madang_common.clock import rfc3339
from madang_common.events.kinds import Role, Visibility
from madang_rooms.recovery.facts import Ban, Facts, Membership, Person, RoomFacts

_ROUNDING_MS = 1
"""An event's time is rounded, a row's time is truncated."""
MEMBERS_OF_DIRECT = 2


class Part(StrEnum):
    """The part of the state that differs, in the order in which repairs are made."""

    ROOM = "room"
    NAME = "name"
    ARCHIVED = "archived"
    BAN = "ban"
    MEMBER = "member"
    ROLE = "role"
    JOINED_AT = "joined_at"
    HIDDEN = "hidden"
    REMOVED_AT = "removed_at"
    INVITE = "invite"
    MEMBER_COUNT = "member_count"
    OUTBOX = "outbox"


Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference that can be repaired."""

    room: str
    part: Part
    subject: str | None
    """The user's id; for `invite` the code, for `outbox` the event's key."""
    stored: Value
    log: Value


@dataclass(frozen=True, slots=True)
class Lost:
    """What the log has and the database cannot get back."""

    room: str
    part: Part
    subject: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A membership in the database."""

    role: Role
    joined_at_ms: int
    hidden: bool


@dataclass(frozen=True, slots=True)
class StoredInvite:
    """An invite for one user in the database that is neither used nor revoked."""

    user: str
    created_at_ms: int
    declined: bool


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room in the database."""

    name: str
    archived: bool
    member_count: int
    members: Mapping[str, StoredMember]
    bans: Mapping[str, int | None]
    """When the bans expire, in milliseconds, by user id; None for never."""
    removals: Mapping[str, int]
    """When users were removed, in milliseconds, by user id."""
    invites: Mapping[str, StoredInvite]
    """By code."""


@dataclass(frozen=True, slots=True)
class ComparisonContext:
    """Input of a comparison beside the facts and the stored room."""

    users: AbstractSet[str]
    """Existing users among all that the facts and the room mention."""
    now_ms: int
    removals_since_ms: int
    """Older removals may have been deleted, because no link of that time can be open."""
    direct_room: str | None = None
    """The existing direct room of the same two users, whose id differs."""


@dataclass(slots=True)
class Comparison:
    """The result for one room."""

    differences: list[Difference] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    unmentioned_members: int = 0
    """Stored members about whom the log says nothing."""


def mentioned_users(facts: RoomFacts) -> set[str]:
    """Return the users that a comparison of the room must know about."""
    return set(facts.people) | ({facts.created.by} if facts.created else set())


def creator(facts: RoomFacts, users: AbstractSet[str]) -> str | None:
    """Return who is stored as the creator of a missing room; None if nobody of it exists.

    If the creator's account is lost, it is the member with the highest role who joined first.
    """
    if facts.created is None:
        return None
    if facts.created.by in users:
        return facts.created.by
    rank = list(Role)
    members = [(user, member) for user, member in facts.members() if user in users]
    members.sort(key=lambda one: (-rank.index(one[1].role), one[1].joined_at_ms or 0, one[0]))
    return members[0][0] if members else None


def compare_room(
    facts: Facts, room: RoomFacts, stored: StoredRoom | None, context: ComparisonContext
) -> Comparison:
    """Return how `stored` (None: there is no such room) differs from `room`."""
    result = Comparison()
    if stored is None:
        reason = _why_not_created(room, context)
        if reason is not None:
            result.lost.append(Lost(room.id, Part.ROOM, None, reason))
            return result
        result.differences.append(Difference(room.id, Part.ROOM, None, None, room.name))
        stored = StoredRoom(room.name or "", False, 0, {}, {}, {}, {})  # noqa: FBT003 - no field set
    result.differences += _of_room(room, stored)
    for user, person in room.people.items():
        found = list(_of_person(facts, room, user, stored, context))
        if user in context.users:
            result.differences += found
        elif isinstance(person.membership, Membership) or _is_banned(person, context.now_ms):
            what = Part.MEMBER if isinstance(person.membership, Membership) else Part.BAN
            result.lost.append(Lost(room.id, what, user, f"there is no user {person.name!r}"))
    result.differences += _of_invites(facts, room, stored)
    result.unmentioned_members = sum(
        1
        for user in stored.members
        if user not in room.people or room.people[user].membership is None
    )
    count = _count_after(stored, result.differences)
    if count != stored.member_count:
        result.differences.append(
            Difference(room.id, Part.MEMBER_COUNT, None, stored.member_count, count)
        )
    return result


def _why_not_created(room: RoomFacts, context: ComparisonContext) -> str | None:
    """Return why a room that is not stored cannot be created; None if it can."""
    if room.created is None:
        return "the log no longer has its creation"
    if creator(room, context.users) is None:
        return "none of its members exists"
    if room.created.visibility is Visibility.DIRECT:
        members = [user for user, _ in room.members() if user in context.users]
        if len(members) < MEMBERS_OF_DIRECT:
            return "one of its two members does not exist"
        if context.direct_room is not None:
            return f"its members have the direct room {context.direct_room} meanwhile"
    return None


def _of_room(room: RoomFacts, stored: StoredRoom) -> Iterator[Difference]:
    if room.name is not None and room.name != stored.name:
        yield Difference(room.id, Part.NAME, None, stored.name, room.name)
    if room.archived_at_ms is not None and not stored.archived:
        yield Difference(room.id, Part.ARCHIVED, None, stored=False, log=True)


def _of_person(
    facts: Facts, room: RoomFacts, user: str, stored: StoredRoom, context: ComparisonContext
) -> Iterator[Difference]:
    person = room.people[user]
    yield from _of_ban(room.id, user, person, stored, context.now_ms)
    yield from _of_membership(facts, room, user, stored)
    at_ms = person.removed_at_ms
    stored_at_ms = stored.removals.get(user)
    if at_ms is False and stored_at_ms is not None:
        yield Difference(room.id, Part.REMOVED_AT, user, _time(stored_at_ms), None)
    elif at_ms and at_ms > context.removals_since_ms and (stored_at_ms or 0) < at_ms - _ROUNDING_MS:
        yield Difference(room.id, Part.REMOVED_AT, user, _time(stored_at_ms), _time(at_ms))


def _of_membership(
    facts: Facts, room: RoomFacts, user: str, stored: StoredRoom
) -> Iterator[Difference]:
    in_log, found = room.people[user].membership, stored.members.get(user)
    if in_log is False and found is not None:
        yield Difference(room.id, Part.MEMBER, user, found.role, None)
    if not isinstance(in_log, Membership):
        if in_log is None and found is not None:
            yield from _of_hidden(facts, room, user, found)
        return
    if found is None:
        yield Difference(room.id, Part.MEMBER, user, None, in_log.role)
        if _may_be_hidden(room, user) and facts.hidden(room, user):
            yield Difference(room.id, Part.HIDDEN, user, stored=False, log=True)
        return
    if found.role is not in_log.role:
        yield Difference(room.id, Part.ROLE, user, found.role, in_log.role)
    joined_at_ms = in_log.joined_at_ms
    if joined_at_ms is not None and abs(joined_at_ms - found.joined_at_ms) > _ROUNDING_MS:
        yield Difference(
            room.id, Part.JOINED_AT, user, _time(found.joined_at_ms), _time(joined_at_ms)
        )
    yield from _of_hidden(facts, room, user, found)


def _of_hidden(
    facts: Facts, room: RoomFacts, user: str, found: StoredMember
) -> Iterator[Difference]:
    hidden = facts.hidden(room, user) if _may_be_hidden(room, user) else None
    if hidden is not None and hidden != found.hidden:
        yield Difference(room.id, Part.HIDDEN, user, found.hidden, hidden)


def _may_be_hidden(room: RoomFacts, user: str) -> bool:
    """Return whether the log says anything about the place of the room in the user's list."""
    is_direct = room.created is not None and room.created.visibility is Visibility.DIRECT
    return is_direct or room.people[user].hidden is not None


def _of_ban(
    room: str, user: str, person: Person, stored: StoredRoom, now_ms: int
) -> Iterator[Difference]:
    is_stored = user in stored.bans and _in_force(stored.bans[user], now_ms)
    before = _ban_text(stored.bans[user]) if is_stored else None
    if person.ban is False and is_stored:
        yield Difference(room, Part.BAN, user, before, None)
    if not isinstance(person.ban, Ban):
        return
    if not person.ban.in_force(now_ms):
        if is_stored:
            yield Difference(room, Part.BAN, user, before, None)
        return
    is_same = is_stored and (
        not person.ban.is_until_known or stored.bans[user] == person.ban.until_ms
    )
    if not is_same:
        yield Difference(room, Part.BAN, user, before, _ban_text(person.ban.until_ms))


def _is_banned(person: Person, now_ms: int) -> bool:
    return isinstance(person.ban, Ban) and person.ban.in_force(now_ms)


def _of_invites(facts: Facts, room: RoomFacts, stored: StoredRoom) -> Iterator[Difference]:
    for code, invite in stored.invites.items():
        if code in facts.declined and not invite.declined:
            yield Difference(room.id, Part.INVITE, code, "open", "declined")
        person = room.people.get(invite.user)
        changes = person.joins_and_removals if person else []
        change = next((one for one in changes if one.at_ms >= invite.created_at_ms), None)
        if change is not None:
            log = "used" if change.is_join else "revoked"
            yield Difference(room.id, Part.INVITE, code, "open", log)


def _count_after(stored: StoredRoom, differences: list[Difference]) -> int:
    """Return the number of members once `differences` are repaired."""
    members = set(stored.members)
    for difference in differences:
        if difference.part is Part.MEMBER and difference.subject is not None:
            change = members.discard if difference.log is None else members.add
            change(difference.subject)
    return len(members)


def _in_force(until_ms: int | None, now_ms: int) -> bool:
    return until_ms is None or until_ms > now_ms


def _ban_text(until_ms: int | None) -> str:
    return "without expiry" if until_ms is None else f"until {_time(until_ms)}"


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms / 1000)
