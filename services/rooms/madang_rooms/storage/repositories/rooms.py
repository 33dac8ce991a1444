"""Rooms in the database."""

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.events.kinds import Visibility
from madang_rooms.storage.models import Membership, Room


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

    async def direct(self, pair: str) -> Room | None:
        """Return the direct room of `pair` (see `direct_pair`)."""
        return await self._session.scalar(select(Room).where(Room.direct_pair == pair))

    async def list_of_user(
        self, user: str, before: str | None, limit: int, *, hidden: bool
    ) -> list[tuple[Room, Membership]]:
        """Return the rooms of `user` below `before`, newest first; hidden ones with `hidden`."""
        query = (
            select(Room, Membership)
            .join(Membership, Membership.room_id == Room.id)
            .where(Membership.user_id == user)
            .order_by(Membership.room_id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(Membership.room_id < before)
        if not hidden:
            query = query.where(Membership.hidden_at_ms.is_(None))
        return [(room, found) for room, found in await self._session.execute(query)]

    async def list_public(
        self, user: str, text: str, before: str | None, limit: int
    ) -> list[tuple[Room, Membership | None]]:
        """Return public rooms with `text` in their name, ignoring case, newest first.

        Each comes with the membership of `user` in it.
        """
        mine = and_(Membership.room_id == Room.id, Membership.user_id == user)
        query = (
            select(Room, Membership)
            .outerjoin(Membership, mine)
            .where(Room.visibility == Visibility.PUBLIC, Room.archived_at_ms.is_(None))
            .order_by(Room.id.desc())
            .limit(limit)
        )
        if text:
            query = query.where(Room.name.icontains(text, autoescape=True))
        if before is not None:
            query = query.where(Room.id < before)
        return [(room, found) for room, found in await self._session.execute(query)]
