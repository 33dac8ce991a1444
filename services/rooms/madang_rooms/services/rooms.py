"""Rooms: making, finding, renaming and archiving them."""

from madang_common.events.kinds import (
    Role,
    RoomArchived,
    RoomCreated,
    RoomHidden,
    RoomUpdated,
    Visibility,
)
from madang_common.ids import new_id
from madang_common.problems import Conflict, InvalidBody
from madang_common.text import composed
from madang_rooms.names import ROOM_NAME_LENGTH
from madang_rooms.services.authorization import (
    check_open,
    found_user,
    known,
    lock_actor,
    see,
    stand,
)
from madang_rooms.services.membership import admit, check_rooms_of
from madang_rooms.services.paging import Page, page, read_cursor
from madang_rooms.services.roles import Action
from madang_rooms.services.views import RoomView, room_view
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.models.room import direct_pair
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes


class Rooms:
    """Makes and shows rooms."""

    def __init__(self, units: UnitsOfWork, settings: RoomsSettings) -> None:
        self.units = units
        self._settings = settings

    @writes
    async def create(
        self, unit: UnitOfWork, actor: str, name: str, visibility: Visibility
    ) -> RoomView:
        """Make a room that `actor` owns; raise Conflict if they are in too many."""
        owner = await lock_actor(unit, actor)
        await check_rooms_of(unit, owner, self._settings)
        room = await _add(unit, owner, name, visibility)
        membership = await admit(unit, room, owner, Role.OWNER, by=owner.id, sender=owner)
        return room_view(room, membership)

    @writes
    async def direct(self, unit: UnitOfWork, actor: str, peer: str) -> tuple[RoomView, bool]:
        """Return the one room of `actor` and `peer`, and whether it was made just now."""
        if actor == peer:
            raise InvalidBody("A direct room is for two; name somebody else.")
        # A concurrent request for the same room waits here, and then finds it.
        both = await unit.users.lock(actor, peer)
        me, other = known(both.get(actor)), found_user(both.get(peer))
        room = await unit.rooms.of_pair(direct_pair(actor, peer))
        made = room is None
        if room is None:
            await check_rooms_of(unit, me, self._settings)
            room = await _add_direct(unit, me, other)
        membership = await _direct_membership(unit, room, actor)
        _put_on_list(unit, membership, me)
        return room_view(room, membership, other), made

    @writes
    async def hide(self, unit: UnitOfWork, actor: str, room: str, *, hidden: bool) -> None:
        """Take a direct room off the list of `actor`, or put it back."""
        found, membership = await see(unit, room, actor)
        if found.visibility is not Visibility.DIRECT:
            raise Conflict("Only a direct room can be hidden; leave this one instead.")
        me = await lock_actor(unit, actor)
        await unit.memberships.refresh(membership)
        if hidden:
            take_off_list(unit, membership, me)
        else:
            _put_on_list(unit, membership, me)

    @reads
    async def mine(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int, *, hidden: bool
    ) -> Page[RoomView]:
        """Return the rooms that `actor` is in, newest first; with `hidden`, those too."""
        before = read_cursor(cursor)
        rows = await unit.rooms.of_user(actor, before, limit + 1, hidden=hidden)
        peers = [room.peer_of(actor) for room, _ in rows]
        users = await unit.users.by_ids(peer for peer in peers if peer)

        def view(row: tuple[Room, Membership]) -> RoomView:
            room, membership = row
            return room_view(room, membership, users.get(room.peer_of(actor) or ""))

        return page(rows, limit, lambda row: row[0].id, view)

    @reads
    async def public(
        self, unit: UnitOfWork, actor: str, text: str, cursor: str | None, limit: int
    ) -> Page[RoomView]:
        """Return public rooms with `text` in their name, newest first."""
        rows = await unit.rooms.public(actor, composed(text), read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[0].id, lambda row: room_view(*row))

    @reads
    async def get(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Return a room of `actor`; raise NotFound or NotAMember."""
        seen, membership = await see(unit, room, actor)
        peer = seen.peer_of(actor)
        other = None if peer is None else await unit.users.get(peer)
        return room_view(seen, membership, other)

    @writes
    async def rename(self, unit: UnitOfWork, actor: str, room: str, name: str) -> RoomView:
        """Give a room another name; raise if `actor` may not."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.RENAME)
        check_open(standing.room)
        if standing.room.name != name:
            standing.room.name = name
            unit.outbox.to_room(room, RoomUpdated(name=name), standing.actor)
        return room_view(standing.room, standing.membership)

    @writes
    async def archive(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Let a room be read only from now on; raise if `actor` may not."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.ARCHIVE)
        if not standing.room.archived:
            standing.room.archived_at_ms = unit.now_ms
            unit.outbox.to_room(room, RoomArchived(), standing.actor)
        return room_view(standing.room, standing.membership)


def take_off_list(unit: UnitOfWork, membership: Membership, user: User) -> None:
    """Take a direct room off the list of `user`, who is locked, and tell them."""
    if membership.hidden_at_ms is None:
        membership.hidden_at_ms = unit.now_ms
        unit.outbox.to_user(user.id, RoomHidden(room=membership.room_id, hidden=True), user)


def _put_on_list(unit: UnitOfWork, membership: Membership, user: User) -> None:
    if membership.hidden_at_ms is not None:
        membership.hidden_at_ms = None
        unit.outbox.to_user(user.id, RoomHidden(room=membership.room_id, hidden=False), user)


async def _direct_membership(unit: UnitOfWork, room: Room, user: str) -> Membership:
    membership = await unit.memberships.get(room.id, user)
    if membership is None:
        raise RuntimeError(f"the direct room {room.id} lacks a member")
    return membership


async def _add_direct(unit: UnitOfWork, me: User, other: User) -> Room:
    """Make the direct room of two users, who are locked; hidden from `other` if they block `me`.

    `me` does not learn that.
    """
    name = f"{me.display_name}, {other.display_name}"[:ROOM_NAME_LENGTH]
    room = await _add(unit, me, name, Visibility.DIRECT, direct_pair(me.id, other.id))
    blocked = await unit.blocks.get(other.id, me.id) is not None
    await admit(unit, room, me, Role.MEMBER, by=me.id, sender=me, room_name=other.display_name)
    await admit(
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
