"""Entering and leaving a room: the rows, the count and the events, always together."""

from madang_common.clock import rfc3339
from madang_common.events.data import Data
from madang_common.events.kinds import (
    MemberJoined,
    MembershipAdded,
    MembershipRemoved,
    Role,
)
from madang_common.problems import Banned, Conflict
from madang_rooms.services.authorization import check_open
from madang_rooms.services.ownership import pass_on
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.unit_of_work import UnitOfWork


async def check_entry(unit: UnitOfWork, room: Room, user: User, settings: RoomsSettings) -> None:
    """Raise Banned if `user` may not enter `room`.

    Raise Conflict if the room is archived or full, or the user is in too many.
    """
    await check_not_banned(unit, room, user, "You are banned from this room.")
    check_open(room)
    if room.member_count >= settings.room_most_members:
        raise Conflict("The room is full.", limit=settings.room_most_members)
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
        raise Conflict(
            "You are in too many rooms; leave one first.", limit=settings.user_most_rooms
        )


async def enter(unit: UnitOfWork, room: Room, user: User, *, by: str) -> Membership:
    """Make `user` a member of `room`, both locked, whom `by` brought in.

    Their open invites are used up. A room that only disabled users own gets an owner.
    """
    for invite in await unit.invites.unused_for(room.id, user.id):
        invite.uses_left = 0
    membership = await admit(unit, room, user, Role.MEMBER, by=by, sender=user)
    await pass_on(unit, room)
    return membership


async def admit(
    unit: UnitOfWork,
    room: Room,
    user: User,
    role: Role,
    *,
    by: str,
    sender: User,
    room_name: str | None = None,
    hidden: bool = False,
) -> Membership:
    """Make `user` a member of `room`, both locked, and tell the room and them.

    `by` brought them in, `sender` did it; they know the room by `room_name`. They are not told of
    one that is `hidden` from their list.
    """
    membership = Membership(
        room_id=room.id,
        user_id=user.id,
        role=role,
        joined_at_ms=unit.now_ms,
        hidden_at_ms=unit.now_ms if hidden else None,
    )
    await unit.memberships.add(membership)
    room.member_count += 1
    joined = MemberJoined(user=user.id, name=user.display_name, role=role, by=by)
    unit.outbox.to_room(room.id, joined, sender)
    if not hidden:
        added = MembershipAdded(room=room.id, room_name=room_name or room.name, role=role)
        unit.outbox.to_user(user.id, added, sender)
    return membership


async def bar_from_links(unit: UnitOfWork, room: Room, user: User, settings: RoomsSettings) -> None:
    """Close all invites and links to `room` made until now to `user`; both are locked.

    The links stay open to others. The clocks of replicas differ, so a link may be newer than now.
    """
    for invite in await unit.invites.unused_for(room.id, user.id):
        invite.uses_left, invite.revoked_at_ms = 0, unit.now_ms
    await unit.removals.forget(room.id, unit.now_ms - settings.invite_longest_seconds * 1000)
    newest_ms = await unit.invites.newest_link_ms(room.id)
    await unit.removals.put(room.id, user.id, max(unit.now_ms, newest_ms))


async def end_membership(
    unit: UnitOfWork, room: Room, membership: Membership, told: Data, sender: User
) -> None:
    """End a membership, its room and user being locked, and tell the room `told`, and them."""
    await unit.memberships.delete(membership)
    room.member_count -= 1
    unit.outbox.to_room(room.id, told, sender)
    removed = MembershipRemoved(room=room.id, by=sender.id)
    unit.outbox.to_user(membership.user_id, removed, sender)
