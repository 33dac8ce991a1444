"""Removals in the database."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Removal


class RemovalStore:
    """Records removals from rooms, for as long as an older link may be open."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def record(self, room: str, user: str, at_ms: int) -> None:
        """Record that `user` was removed from the locked `room`."""
        await self._session.merge(Removal(room_id=room, user_id=user, removed_at_ms=at_ms))
        await self._session.flush()

    async def at_ms(self, room: str, user: str) -> int | None:
        """Return when `user` was last removed from `room`."""
        found = await self._session.get(Removal, (room, user))
        return None if found is None else found.removed_at_ms

    async def all_of_room(self, room: str) -> Sequence[Removal]:
        """Return the removals from `room`."""
        query = select(Removal).where(Removal.room_id == room)
        return (await self._session.scalars(query)).all()

    async def delete(self, room: str, user: str) -> None:
        """Let `user` use the older links to the locked `room` again."""
        found = await self._session.get(Removal, (room, user))
        if found is not None:
            await self._session.delete(found)
            await self._session.flush()

    async def delete_older(self, room: str, before_ms: int) -> None:
        """Delete the removals from `room` before `before_ms`."""
        old = and_(Removal.room_id == room, Removal.removed_at_ms < before_ms)
        await self._session.execute(delete(Removal).where(old))
