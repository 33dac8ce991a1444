"""Rooms: created, listed, found, renamed, hidden and archived."""

from madang_common.events.kinds import (
    Role,
    RoomArchived,
    RoomCreated,
    RoomHidden,
    RoomUpdated,
    Visibility,
)
from madang_common.ids import new_id
from madang_common.problems import Conflict, InvalidBody, NotAMember, NotFound
from madang_common.text import composed
from madang_rooms.names import ROOM_NAME_LENGTH
from madang_rooms.services.authorization import (
    authorize,
    check_open,
    lock_actor,
    require_actor,
    require_member,
    require_user,
)
from madang_rooms.services.membership import add_member, check_room_quota
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import Action
from madang_rooms.services.views import RoomView, room_view, seen_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.queries.rooms import find_seen, list_of_user, list_public
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitOfWorkRunner, write_transaction


class Rooms:
    """Creates, lists and changes rooms."""

    def __init__(self, units: UnitOfWorkRunner, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @write_transaction
    async def create(
        self, unit: UnitOfWork, actor: str, name: str, visibility: Visibility
    ) -> RoomView:
        """Create a room owned by `actor`; raise Conflict if they are in too many rooms."""
        owner = await lock_actor(unit, actor)
        await check_room_quota(unit, owner, self._settings)
        room = await _add(unit, owner, name, visibility)
        membership = await add_member(unit, room, owner, Role.OWNER, by=owner.id, sender=owner)
        return room_view(room, membership)

    @write_transaction
    async def open_direct(self, unit: UnitOfWork, actor: str, peer: str) -> tuple[RoomView, bool]:
        """Return the direct room of `actor` and `peer`, and whether it is new."""
        if actor == peer:
            raise InvalidBody("A direct room needs two users; name another user.")
        # A concurrent request for the same room waits for this lock, and then finds the room.
        both = await unit.users.lock(actor, peer)
        me, other = require_actor(both.get(actor)), require_user(both.get(peer))
        room = await unit.rooms.direct(direct_pair(actor, peer))
        is_new = room is None
        if room is None:
            await check_room_quota(unit, me, self._settings)
            room = await _add_direct(unit, me, other)
        membership = await _direct_membership(unit, room, actor)
        _unhide(unit, membership, me)
        return room_view(room, membership, other), is_new

    @write_transaction
    async def set_hidden(self, unit: UnitOfWork, actor: str, room: str, *, hidden: bool) -> None:
        """Hide a direct room from the list of `actor`, or list it again."""
        found, membership = await require_member(unit, room, actor)
        if found.visibility is not Visibility.DIRECT:
            raise Conflict("Only a direct room can be hidden; leave this room instead.")
        me = await lock_actor(unit, actor)
        await unit.memberships.refresh(membership)
        if hidden:
            hide_room(unit, membership, me)
        else:
            _unhide(unit, membership, me)

    async def list_of(
        self, actor: str, cursor: str | None, limit: int, *, hidden: bool
    ) -> Page[RoomView]:
        """Return the rooms of `actor`, newest first; hidden ones with `hidden`."""
        before = read_cursor(cursor)
        found = await self.units.query(
            lambda connection: list_of_user(connection, actor, before, limit + 1, hidden=hidden)
        )
        return page(found, limit, lambda room: room.id, seen_view)

    async def list_public(
        self, actor: str, text: str, cursor: str | None, limit: int
    ) -> Page[RoomView]:
        """Return public rooms with `text` in their name, newest first."""
        before = read_cursor(cursor)
        found = await self.units.query(
            lambda connection: list_public(connection, actor, composed(text), before, limit + 1)
        )
        return page(found, limit, lambda room: room.id, seen_view)

    async def get(self, actor: str, room: str) -> RoomView:
        """Return a room that `actor` is a member of; raise NotFound or NotAMember."""
        found = await self.units.query(lambda connection: find_seen(connection, room, actor))
        if found is None:
            raise NotFound("There is no such room.")
        if found.role is None:
            raise NotAMember("You are not a member of this room.")
        return seen_view(found)

    @write_transaction
    async def rename(self, unit: UnitOfWork, actor: str, room: str, name: str) -> RoomView:
        """Rename a room; raise if `actor` may not."""
        authorization = await authorize(unit, room, actor)
        authorization.check_may(Action.RENAME)
        check_open(authorization.room)
        if authorization.room.name != name:
            authorization.room.name = name
            unit.outbox.to_room(room, RoomUpdated(name=name), authorization.actor)
        return room_view(authorization.room, authorization.membership)

    @write_transaction
    async def archive(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Make a room read-only; raise if `actor` may not."""
        authorization = await authorize(unit, room, actor)
        authorization.check_may(Action.ARCHIVE)
        if not authorization.room.archived:
            authorization.room.archived_at_ms = unit.now_ms
            unit.outbox.to_room(room, RoomArchived(), authorization.actor)
        return room_view(authorization.room, authorization.membership)


def hide_room(unit: UnitOfWork, membership: Membership, user: User) -> None:
    """Hide a direct room from the list of the locked `user`."""
    if membership.hidden_at_ms is None:
        membership.hidden_at_ms = unit.now_ms
        unit.outbox.to_user(user.id, RoomHidden(room=membership.room_id, hidden=True), user)


def _unhide(unit: UnitOfWork, membership: Membership, user: User) -> None:
    if membership.hidden_at_ms is not None:
        membership.hidden_at_ms = None
        unit.outbox.to_user(user.id, RoomHidden(room=membership.room_id, hidden=False), user)


async def _direct_membership(unit: UnitOfWork, room: Room, user: str) -> Membership:
    membership = await unit.memberships.get(room.id, user)
    if membership is None:
        raise RuntimeError(f"direct room {room.id} lacks a member")
    return membership


async def _add_direct(unit: UnitOfWork, me: User, other: User) -> Room:
    """Create the direct room of two locked users; hidden from `other` if they block `me`."""
    name = f"{me.display_name}, {other.display_name}"[:ROOM_NAME_LENGTH]
    room = await _add(unit, me, name, Visibility.DIRECT, direct_pair(me.id, other.id))
    blocked = await unit.blocks.get(other.id, me.id) is not None
    await add_member(unit, room, me, Role.MEMBER, by=me.id, sender=me, room_name=other.display_name)
    await add_member(
        unit,
        room,
        other,
        Role.MEMBER,
        by=me.id,
        sender=me,
        room_name=me.display_name,
        hidden=blocked,
    )
    return room


async def _add(
    unit: UnitOfWork, by: User, name: str, visibility: Visibility, pair: str | None = None
) -> Room:
    room = Room(
        id=new_id(),
        name=name,
        visibility=visibility,
        direct_pair=pair,
        member_count=0,
        created_by=by.id,
        created_at_ms=unit.now_ms,
    )
    await unit.rooms.add(room)
    unit.outbox.to_room(room.id, RoomCreated(name=name, visibility=visibility), by)
    return room
