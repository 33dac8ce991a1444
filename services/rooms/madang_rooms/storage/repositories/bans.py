"""Bans in the database."""

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Ban, User


class BanStore:
    """Reads, adds and deletes bans."""

    def __init__(self, session: AsyncSession, now_ms: int) -> None:
        """Read what holds at `now_ms`; a ban that has expired is none."""
        self._session = session
        self._now_ms = now_ms

    async def add(self, ban: Ban) -> None:
        """Add `ban`; those that have expired must be forgotten first."""
        self._session.add(ban)
        await self._session.flush()

    async def delete(self, ban: Ban) -> None:
        """Delete `ban`."""
        await self._session.delete(ban)
        await self._session.flush()

    async def get(self, room: str, user: str) -> Ban | None:
        """Return the ban of `user` from `room`."""
        query = select(Ban).where(Ban.room_id == room, Ban.user_id == user, self._holds())
        return await self._session.scalar(query)

    async def count(self, room: str) -> int:
        """Return how many are banned from `room`."""
        query = select(func.count()).where(Ban.room_id == room, self._holds())
        return await self._session.scalar(query) or 0

    async def of_room(self, room: str, after: str | None, limit: int) -> list[tuple[Ban, User]]:
        """Return the bans from `room` with who is banned, by user id, from above `after`."""
        query = (
            select(Ban, User)
            .join(User, User.id == Ban.user_id)
            .where(Ban.room_id == room, self._holds())
            .order_by(Ban.user_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Ban.user_id > after)
        return [(ban, user) for ban, user in await self._session.execute(query)]

    async def forget(self, room: str) -> None:
        """Delete the bans from `room` that have expired."""
        old = and_(Ban.room_id == room, Ban.expires_at_ms <= self._now_ms)
        await self._session.execute(delete(Ban).where(old))

    def _holds(self) -> ColumnElement[bool]:
        return or_(Ban.expires_at_ms.is_(None), Ban.expires_at_ms > self._now_ms)
