"""Members: join, leave, removal and change of role."""

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
    authorize,
    check_open,
    check_shared,
    forbidden,
    lock_actor,
    lock_room,
    require_member,
    with_article,
)
from madang_rooms.services.membership import (
    check_can_join,
    end_membership,
    invalidate_invites,
    join,
)
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import may_change, may_remove, may_step_down
from madang_rooms.services.views import MemberView, RoomView, member_view, room_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, User
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)


class Members:
    """Lists and changes the members of rooms."""

    def __init__(self, units: UnitOfWorkRunner, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @read_transaction
    async def list(
        self, unit: UnitOfWork, actor: str, room: str, cursor: str | None, limit: int
    ) -> Page[MemberView]:
        """Return the members of a room, oldest account first; raise if `actor` is not one."""
        await require_member(unit, room, actor)
        rows = await unit.memberships.members(room, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[1].id, lambda row: member_view(*row))

    @write_transaction
    async def join(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Add `actor` to a public room; raise NotAMember if it is not public."""
        locked = await lock_room(unit, room)
        membership = await unit.memberships.get(room, actor)
        if membership is None:
            if locked.visibility is not Visibility.PUBLIC:
                raise NotAMember("This room is not public; ask a member for an invite.")
            user = await lock_actor(unit, actor)
            await check_can_join(unit, locked, user, self._settings)
            membership = await join(unit, locked, user, by=user.id)
        return room_view(locked, membership)

    @write_transaction
    async def leave(self, unit: UnitOfWork, actor: str, room: str) -> None:
        """End the membership of `actor`; raise Conflict if the other members would have no owner.

        A room is archived when its last member leaves, because no member is left to invite to it.
        """
        authorization = await authorize(unit, room, actor)
        check_shared(authorization.room)
        last = authorization.room.member_count == 1
        # Disabled members need no owner; the room gets one when one of them is enabled.
        if await unit.memberships.has_member(room, other_than=actor):
            await _check_other_owner(unit, authorization)
        user = authorization.actor
        event = MemberLeft(user=user.id, name=user.display_name)
        await end_membership(unit, authorization.room, authorization.membership, event, user)
        if last and not authorization.room.archived:
            authorization.room.archived_at_ms = unit.now_ms
            unit.outbox.to_room(room, RoomArchived(), user)

    @write_transaction
    async def remove(self, unit: UnitOfWork, actor: str, room: str, user: str) -> None:
        """Remove a member; raise if `actor` may not, or NotFound."""
        authorization = await authorize(unit, room, actor, user)
        check_shared(authorization.room)
        if user == actor:
            raise Conflict("You cannot remove yourself; leave the room instead.")
        membership, removed = await _member(unit, authorization, user)
        if not may_remove(authorization.role, membership.role):
            raise forbidden(authorization.role, f"remove {with_article(membership.role)}")
        await invalidate_invites(unit, authorization.room, removed, self._settings)
        event = MemberRemoved(user=user, name=removed.display_name, by=actor)
        await end_membership(unit, authorization.room, membership, event, authorization.actor)

    @write_transaction
    async def change_role(
        self, unit: UnitOfWork, actor: str, room: str, user: str, role: Role
    ) -> MemberView:
        """Change a member's role, or lower the actor's own; raise if `actor` may not."""
        authorization = await authorize(unit, room, actor, user)
        check_shared(authorization.room)
        check_open(authorization.room)
        membership, member = await _member(unit, authorization, user)
        if user == actor:
            await _check_steps_down(unit, authorization, role)
        elif not may_change(authorization.role, membership.role, role):
            change = f"make {with_article(membership.role)} {with_article(role)}"
            raise forbidden(authorization.role, change)
        if membership.role is not role:
            membership.role = role
            event = MemberRoleChanged(user=user, name=member.display_name, role=role, by=actor)
            unit.outbox.to_room(room, event, authorization.actor)
        return member_view(membership, member)


async def _member(
    unit: UnitOfWork, authorization: Authorization, user: str
) -> tuple[Membership, User]:
    membership = await unit.memberships.get(authorization.room.id, user)
    if membership is None:
        raise NotFound("This user is not a member of the room.")
    return membership, authorization.users[user]


async def _check_steps_down(unit: UnitOfWork, authorization: Authorization, role: Role) -> None:
    if role is authorization.role:
        return
    if not may_step_down(authorization.role, role):
        raise Forbidden("You cannot raise your own role; ask an owner.")
    await _check_other_owner(unit, authorization)


async def _check_other_owner(unit: UnitOfWork, authorization: Authorization) -> None:
    """Raise Conflict if the actor is the only enabled owner."""
    if authorization.role is not Role.OWNER:
        return
    if not await unit.memberships.has_owner(
        authorization.room.id, other_than=authorization.actor.id
    ):
        raise Conflict("You are the only owner; make another member an owner first.")
