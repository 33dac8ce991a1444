"""Rooms in the database."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from sqlalchemy import Executable, Integer, and_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.events.kinds import Role, Visibility
from madang_rooms.storage.models import Membership, Room


class SeenRoom(NamedTuple):
    """A room with one user's membership, in plain columns.

    They take a fraction of the time of two objects of the ORM, and reads need no more.
    """

    id: str
    name: str
    visibility: Visibility
    direct_pair: str | None
    member_count: int
    created_by: str
    created_at_ms: int
    archived_at_ms: int | None
    role: Role | None
    """None if the user is not a member."""
    hidden_at_ms: int | None

    @classmethod
    def of(cls, room: Room, membership: Membership) -> Self:
        """Return a room as the user of `membership` sees it."""
        return cls(
            id=room.id,
            name=room.name,
            visibility=room.visibility,
            direct_pair=room.direct_pair,
            member_count=room.member_count,
            created_by=room.created_by,
            created_at_ms=room.created_at_ms,
            archived_at_ms=room.archived_at_ms,
            role=membership.role,
            hidden_at_ms=membership.hidden_at_ms,
        )

    def peer_of(self, user: str) -> str | None:
        """Return the id of the other member of a direct room; None for other rooms."""
        if self.direct_pair is None:
            return None
        low, _, high = self.direct_pair.partition(":")
        return high if user == low else low


_SEEN = select(
    Room.id,
    Room.name,
    Room.visibility,
    Room.direct_pair,
    Room.member_count,
    Room.created_by,
    Room.created_at_ms,
    Room.archived_at_ms,
    Membership.role,
    Membership.hidden_at_ms,
)
_OF_USER = and_(Membership.room_id == Room.id, Membership.user_id == bindparam("user"))
_ONE = _SEEN.outerjoin(Membership, _OF_USER).where(Room.id == bindparam("room"))
_MINE = (
    _SEEN.join(Membership, _OF_USER)
    .order_by(Membership.room_id.desc())
    .limit(bindparam("most", type_=Integer))
)
_MINE_SHOWN = _MINE.where(Membership.hidden_at_ms.is_(None))
_PUBLIC = (
    _SEEN.outerjoin(Membership, _OF_USER)
    .where(Room.visibility == Visibility.PUBLIC, Room.archived_at_ms.is_(None))
    .order_by(Room.id.desc())
)


class RoomStore:
    """Reads and adds rooms."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, room: Room) -> None:
        """Add `room`; no other transaction sees it before the commit."""
        self._session.add(room)
        await self._session.flush()

    async def get(self, room: str) -> Room | None:
        """Return the room."""
        return await self._session.get(Room, room)

    async def lock(self, room: str) -> Room | None:
        """Return the room, locked until the end of the transaction."""
        query = select(Room).where(Room.id == room).with_for_update()
        return await self._session.scalar(query)

    async def ids(self, after: str, limit: int) -> Sequence[str]:
        """Return ids of rooms above `after`, in order."""
        query = select(Room.id).where(Room.id > after).order_by(Room.id).limit(limit)
        return (await self._session.scalars(query)).all()

    async def direct(self, pair: str) -> Room | None:
        """Return the direct room of `pair` (see `direct_pair`)."""
        return await self._session.scalar(select(Room).where(Room.direct_pair == pair))

    async def seen(self, room: str, user: str) -> SeenRoom | None:
        """Return the room as `user` sees it, who may not be a member."""
        found = await self._seen(_ONE, room=room, user=user)
        return found[0] if found else None

    async def list_of_user(
        self, user: str, before: str | None, limit: int, *, hidden: bool
    ) -> list[SeenRoom]:
        """Return the rooms of `user` below `before`, newest first; hidden ones with `hidden`."""
        query = _MINE if hidden else _MINE_SHOWN
        if before is not None:
            query = query.where(Membership.room_id < before)
        return await self._seen(query, user=user, most=limit)

    async def list_public(
        self, user: str, text: str, before: str | None, limit: int
    ) -> list[SeenRoom]:
        """Return public rooms with `text` in their name, ignoring case, newest first.

        Each comes with the membership of `user` in it, who may not be a member.
        """
        query = _PUBLIC.limit(limit)
        if text:
            query = query.where(Room.name.icontains(text, autoescape=True))
        if before is not None:
            query = query.where(Room.id < before)
        return await self._seen(query, user=user)

    async def _seen(self, query: Executable, **values: str | int) -> list[SeenRoom]:
        return [SeenRoom(*row) for row in await self._session.execute(query, values)]
