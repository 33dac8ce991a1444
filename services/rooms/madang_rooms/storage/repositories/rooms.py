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
        """Add `room`, which nobody else can see before the commit."""
        self._session.add(room)
        await self._session.flush()

    async def get(self, room: str) -> Room | None:
        """Return the room."""
        return await self._session.get(Room, room)

    async def lock(self, room: str) -> Room | None:
        """Return the room, locked until the end of the transaction."""
        query = select(Room).where(Room.id == room).with_for_update()
        return await self._session.scalar(query)

    async def of_pair(self, pair: str) -> Room | None:
        """Return the direct room of two users."""
        return await self._session.scalar(select(Room).where(Room.direct_pair == pair))

    async def of_user(
        self, user: str, before: str | None, limit: int, *, hidden: bool
    ) -> list[tuple[Room, Membership]]:
        """Return the rooms of `user`, newest first, from below `before`; with `hidden`, all."""
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

    async def public(
        self, user: str, text: str, before: str | None, limit: int
    ) -> list[tuple[Room, Membership | None]]:
        """Return public rooms whose name has `text`, newest first, with the place of `user` there.

        Case does not matter.
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
