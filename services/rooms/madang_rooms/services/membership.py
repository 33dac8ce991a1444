"""Start and end of a membership: the row, the member count and the events together."""

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
from madang_rooms.services.ownership import ensure_owner
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.unit_of_work import UnitOfWork


async def check_can_join(unit: UnitOfWork, room: Room, user: User, settings: RoomsSettings) -> None:
    """Raise Banned if `user` is banned from the locked `room`.

    Raise Conflict if the room is archived or full, or the user is in too many rooms.
    """
    await check_not_banned(unit, room, user, "You are banned from this room.")
    check_open(room)
    if room.member_count >= settings.room_most_members:
        raise Conflict("The room is full.", limit=settings.room_most_members)
    await check_room_quota(unit, user, settings)


async def check_not_banned(unit: UnitOfWork, room: Room, user: User, detail: str) -> None:
    """Raise Banned with `detail` if `user` is banned from the locked `room`."""
    ban = await unit.bans.get(room.id, user.id)
    if ban is None:
        return
    if ban.expires_at_ms is None:
        raise Banned(detail)
    raise Banned(detail, until=rfc3339(ban.expires_at_ms / 1000))


async def check_room_quota(unit: UnitOfWork, user: User, settings: RoomsSettings) -> None:
    """Raise Conflict if the locked `user` is in as many rooms as allowed."""
    if await unit.memberships.count_rooms_of(user.id) >= settings.user_most_rooms:
        raise Conflict(
            "You are in too many rooms; leave one first.", limit=settings.user_most_rooms
        )


async def join(unit: UnitOfWork, room: Room, user: User, *, by: str) -> Membership:
    """Add `user` to `room`, both locked, on behalf of the user `by`.

    Their open invites to the room are used up. A room that only disabled users own gets an owner.
    """
    for invite in await unit.invites.unused_for(room.id, user.id):
        invite.uses_left = 0
    membership = await add_member(unit, room, user, Role.MEMBER, by=by, sender=user)
    await ensure_owner(unit, room)
    return membership


async def add_member(
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
    """Add a membership of `user` in `room`, both locked, with its events.

    `by` is the user who invited or added them, `sender` the sender of the events, `room_name` the
    room's name for them. A `hidden` room is not announced to them.
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


async def invalidate_invites(
    unit: UnitOfWork, room: Room, user: User, settings: RoomsSettings
) -> None:
    """Revoke the invites of `user` to `room`, both locked, and bar them from its existing links.

    The links stay open to others. The clocks of replicas differ, so a link may be newer than now.
    """
    for invite in await unit.invites.unused_for(room.id, user.id):
        invite.uses_left, invite.revoked_at_ms = 0, unit.now_ms
    await unit.removals.delete_older(room.id, unit.now_ms - settings.invite_longest_seconds * 1000)
    newest_ms = await unit.invites.newest_link_ms(room.id)
    await unit.removals.record(room.id, user.id, max(unit.now_ms, newest_ms))


async def end_membership(
    unit: UnitOfWork, room: Room, membership: Membership, event: Data, sender: User
) -> None:
    """Delete a membership, whose room and user are locked; add `event` and the user's own event."""
    await unit.memberships.delete(membership)
    room.member_count -= 1
    unit.outbox.to_room(room.id, event, sender)
    removed = MembershipRemoved(room=room.id, by=sender.id)
    unit.outbox.to_user(membership.user_id, removed, sender)
