"""Rooms in the database."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Room


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
