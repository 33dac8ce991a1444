"""Entering and leaving a room: the rows, the count and the events, always together."""

from madang_common.clock import rfc3339
from madang_common.events.kinds import (
    Data,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MembershipAdded,
    MembershipRemoved,
    Role,
)
from madang_common.problems import Banned, Conflict
from madang_rooms.models import Membership, Room, User
from madang_rooms.settings import RoomsSettings
from madang_rooms.standing import check_open
from madang_rooms.unit_of_work import UnitOfWork


async def check_entry(unit: UnitOfWork, room: Room, user: User, settings: RoomsSettings) -> None:
    """Raise Banned if `user` may not enter `room`.

    Raise Conflict if the room is archived or full, or the user is in too many.
    """
    await check_not_banned(unit, room, user, "you are banned from this room")
    check_open(room)
    if room.member_count >= settings.room_most_members:
        raise Conflict("the room is full", limit=settings.room_most_members)
    await check_rooms_of(unit, user, settings)


async def check_not_banned(unit: UnitOfWork, room: Room, user: User, told: str) -> None:
    """Raise Banned, with the sentence `told`, if `user` is banned from `room`, which is locked."""
    ban = await unit.bans.get(room.id, user.id)
    if ban is None:
        return
    if ban.expires_at_ms is None:
        raise Banned(told)
    raise Banned(told, until=rfc3339(ban.expires_at_ms / 1000))


async def check_rooms_of(unit: UnitOfWork, user: User, settings: RoomsSettings) -> None:
    """Raise Conflict if `user`, who is locked, is in as many rooms as one may be."""
    if await unit.memberships.rooms_of(user.id) >= settings.user_most_rooms:
        raise Conflict("you are in too many rooms", limit=settings.user_most_rooms)


async def admit(
    unit: UnitOfWork,
    room: Room,
    user: User,
    role: Role,
    *,
    by: str,
    sender: User,
    room_name: str | None = None,
) -> Membership:
    """Make `user` a member of `room`, both locked, and tell the room and them.

    `by` brought them in, `sender` did it; they know the room by `room_name`.
    """
    membership = Membership(room_id=room.id, user_id=user.id, role=role, joined_at_ms=unit.now_ms)
    await unit.memberships.add(membership)
    room.member_count += 1
    joined = MemberJoined(user=user.id, name=user.display_name, role=role, by=by)
    unit.outbox.to_room(room.id, joined, sender)
    added = MembershipAdded(room=room.id, room_name=room_name or room.name, role=role)
    unit.outbox.to_user(user.id, added, sender)
    return membership


async def dismiss(
    unit: UnitOfWork, room: Room, membership: Membership, user: User, sender: User
) -> None:
    """End the membership of `user` in `room`, both locked, and tell the room and them."""
    told: Data = MemberRemoved(user=user.id, name=user.display_name, by=sender.id)
    if sender.id == user.id:
        told = MemberLeft(user=user.id, name=user.display_name)
    await end_membership(unit, room, membership, told, sender)


async def end_membership(
    unit: UnitOfWork, room: Room, membership: Membership, told: Data, sender: User
) -> None:
    """End a membership, its room and user being locked, and tell the room `told`, and them."""
    await unit.memberships.delete(membership)
    room.member_count -= 1
    unit.outbox.to_room(room.id, told, sender)
    removed = MembershipRemoved(room=room.id, by=sender.id)
    unit.outbox.to_user(membership.user_id, removed, sender)
