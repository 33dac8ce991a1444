"""Rooms: making, finding, renaming and archiving them."""

from madang_common.events.kinds import (
    Role,
    RoomArchived,
    RoomCreated,
    RoomUpdated,
    Visibility,
)
from madang_common.ids import new_id
from madang_common.problems import InvalidBody, NotFound
from madang_rooms.admission import admit, check_rooms_of
from madang_rooms.models import Room, User
from madang_rooms.models.room import direct_pair
from madang_rooms.names import ROOM_NAME_LENGTH
from madang_rooms.paging import Page, page, read_cursor
from madang_rooms.roles import Action
from madang_rooms.settings import RoomsSettings
from madang_rooms.standing import check_open, known, lock_actor, see, stand
from madang_rooms.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes
from madang_rooms.views import RoomView, room_view


class Lobby:
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
        await admit(unit, room, owner, Role.OWNER, by=owner.id, sender=owner)
        return room_view(room, Role.OWNER)

    @writes
    async def direct(self, unit: UnitOfWork, actor: str, peer: str) -> tuple[RoomView, bool]:
        """Return the one room of `actor` and `peer`, and whether it was made just now."""
        if actor == peer:
            raise InvalidBody("a direct room is for two")
        # Whoever opens the same room at the same time waits here, and then finds it.
        both = await unit.users.lock(actor, peer)
        me, other = known(both.get(actor)), both.get(peer)
        if other is None or other.disabled:
            raise NotFound("there is no such user")
        room = await unit.rooms.of_pair(direct_pair(actor, peer))
        if room is not None:
            return room_view(room, Role.MEMBER, other), False
        await check_rooms_of(unit, me, self._settings)
        room = await self._add_direct(unit, me, other)
        return room_view(room, Role.MEMBER, other), True

    @reads
    async def mine(
        self, unit: UnitOfWork, actor: str, cursor: str | None, limit: int
    ) -> Page[RoomView]:
        """Return the rooms that `actor` is in, newest first."""
        rows = await unit.rooms.of_user(actor, read_cursor(cursor), limit + 1)
        peers = [room.peer_of(actor) for room, _ in rows]
        users = await unit.users.by_ids(peer for peer in peers if peer)

        def view(row: tuple[Room, Role]) -> RoomView:
            room, role = row
            return room_view(room, role, users.get(room.peer_of(actor) or ""))

        return page(rows, limit, lambda row: row[0].id, view)

    @reads
    async def public(
        self, unit: UnitOfWork, actor: str, text: str, cursor: str | None, limit: int
    ) -> Page[RoomView]:
        """Return public rooms with `text` in their name, newest first."""
        rows = await unit.rooms.public(actor, text, read_cursor(cursor), limit + 1)
        return page(rows, limit, lambda row: row[0].id, lambda row: room_view(*row))

    @reads
    async def get(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Return a room of `actor`; raise NotFound or NotAMember."""
        seen, membership = await see(unit, room, actor)
        peer = seen.peer_of(actor)
        other = None if peer is None else await unit.users.get(peer)
        return room_view(seen, membership.role, other)

    @writes
    async def rename(self, unit: UnitOfWork, actor: str, room: str, name: str) -> RoomView:
        """Give a room another name; raise if `actor` may not."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.RENAME)
        check_open(standing.room)
        if standing.room.name != name:
            standing.room.name = name
            unit.outbox.to_room(room, RoomUpdated(name=name), standing.actor)
        return room_view(standing.room, standing.role)

    @writes
    async def archive(self, unit: UnitOfWork, actor: str, room: str) -> RoomView:
        """Let a room be read only from now on; raise if `actor` may not."""
        standing = await stand(unit, room, actor)
        standing.check_may(Action.ARCHIVE)
        if not standing.room.archived:
            standing.room.archived_at_ms = unit.now_ms
            unit.outbox.to_room(room, RoomArchived(), standing.actor)
        return room_view(standing.room, standing.role)

    @staticmethod
    async def _add_direct(unit: UnitOfWork, me: User, other: User) -> Room:
        name = f"{me.display_name}, {other.display_name}"[:ROOM_NAME_LENGTH]
        pair = direct_pair(me.id, other.id)
        room = await _add(unit, me, name, Visibility.DIRECT, pair)
        for user, peer in ((me, other), (other, me)):
            await admit(
                unit,
                room,
                user,
                Role.MEMBER,
                by=me.id,
                sender=me,
                room_name=peer.display_name,
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
