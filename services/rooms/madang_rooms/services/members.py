"""Members: joining, leaving, removing, and what each of them may do."""

from madang_common.events.kinds import (
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    Role,
    RoomArchived,
    Visibility,
)
from madang_common.problems import Conflict, Forbidden, NotAMember, NotFound
from madang_rooms.services.authorization import (
    Authorization,
    check_open,
    check_shared,
    lock_actor,
    lock_room,
    see,
    stand,
    with_article,
)
from madang_rooms.services.membership import bar_from_links, check_entry, end_membership, enter
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import may_change, may_remove, may_step_down
from madang_rooms.services.views import MemberView, RoomView, member_view, room_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, User
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes


class Members:
    """Changes who is in a room, and as what."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @reads
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[MemberView]:
        """Return the members of a room of `actor`, who registered first first."""
        await see(unit, room, actor)
        rows = await unit.memberships.members(room, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: member_view(*row))

    @writes
    async def join(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Let `actor` into a public room, once; others raise NotAMember."""
        entered = await lock_room(unit, room)
        membership = await unit.memberships.get(room, actor)
        if membership is None:
            if entered.visibility is not Visibility.PUBLIC:
                raise NotAMember("This room is not public; ask a member for an invite.")
            user = await lock_actor(unit, actor)
            await check_entry(unit, entered, user, self._settings)
            membership = await enter(unit, entered, user, by=user.id)
        return room_view(entered, membership)

    @writes
    async def leave(self, unit: UnitOfWork, actor: str, room: str) -> None:
        """Let `actor` out; raise Conflict if nobody would own the room for those who stay.

        The room that the last member leaves is archived: nobody is left to let anyone in.
        """
        standing = await stand(unit, room, actor)
        check_shared(standing.room)
        last = standing.room.member_count == 1
        # Disabled members need no owner; the room gets one when one of them is enabled again.
        if await unit.memberships.has_member(room, beside=actor):
            await _check_owned_without(unit, standing)
        user = standing.actor
        left = MemberLeft(user=user.id, name=user.display_name)
        await end_membership(unit, standing.room, standing.membership, left, user)
        if last and not standing.room.archived:
            standing.room.archived_at_ms = unit.now_ms
            unit.outbox.to_room(room, RoomArchived(), user)

    @writes
    async def remove(self, unit: UnitOfWork, actor: str, room: str, user: str) -> None:
        """Remove a member; raise if `actor` may not, or if `user` is no member."""
        standing = await stand(unit, room, actor, user)
        check_shared(standing.room)
        if user == actor:
            raise Conflict("You cannot remove yourself; leave the room instead.")
        membership, removed = await _member(unit, standing, user)
        if not may_remove(standing.role, membership.role):
            mine, theirs = with_article(standing.role), with_article(membership.role)
            raise Forbidden(f"{mine.capitalize()} may not remove {theirs}.")
        await bar_from_links(unit, standing.room, removed, self._settings)
        told = MemberRemoved(user=user, name=removed.display_name, by=actor)
        await end_membership(unit, standing.room, membership, told, standing.actor)

    @writes
    async def change_role(
        self, unit: UnitOfWork, actor: str, room: str, user: str, role: Role
    ) -> MemberView:
        """Give a member another role, or step down; raise if `actor` may not."""
        standing = await stand(unit, room, actor, user)
        check_shared(standing.room)
        check_open(standing.room)
        membership, changing = await _member(unit, standing, user)
        if user == actor:
            await _check_steps_down(unit, standing, role)
        elif not may_change(standing.role, membership.role, role):
            mine, theirs = with_article(standing.role), with_article(membership.role)
            raise Forbidden(f"{mine.capitalize()} may not make {theirs} {with_article(role)}.")
        if membership.role is not role:
            membership.role = role
            changed = MemberRoleChanged(user=user, name=changing.display_name, role=role, by=actor)
            unit.outbox.to_room(room, changed, standing.actor)
        return member_view(membership, changing)


async def _member(unit: UnitOfWork, standing: Authorization, user: str) -> tuple[Membership, User]:
    membership = await unit.memberships.get(standing.room.id, user)
    if membership is None:
        raise NotFound("There is no such member.")
    return membership, standing.users[user]


async def _check_steps_down(unit: UnitOfWork, standing: Authorization, role: Role) -> None:
    if role is standing.role:
        return
    if not may_step_down(standing.role, role):
        raise Forbidden("You cannot give yourself a higher role; ask an owner.")
    await _check_owned_without(unit, standing)


async def _check_owned_without(unit: UnitOfWork, standing: Authorization) -> None:
    """Raise Conflict if the actor is the only owner who is not disabled."""
    if standing.role is not Role.OWNER:
        return
    if not await unit.memberships.has_owner(standing.room.id, beside=standing.actor.id):
        raise Conflict("You are the only owner; make another member an owner first.")
