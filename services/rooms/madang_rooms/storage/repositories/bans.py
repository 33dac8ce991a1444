"""Bans in the database."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Ban, User


class BanStore:
    """Reads, adds and deletes bans."""

    def __init__(self, session: AsyncSession, now_ms: int) -> None:
        """Ignore bans that expired before `now_ms`."""
        self._session = session
        self._now_ms = now_ms

    async def add(self, ban: Ban) -> None:
        """Add `ban`; expired bans must be deleted first."""
        self._session.add(ban)
        await self._session.flush()

    async def delete(self, ban: Ban) -> None:
        """Delete `ban`."""
        await self._session.delete(ban)
        await self._session.flush()

    async def get(self, room: str, user: str) -> Ban | None:
        """Return the ban of `user` from `room`."""
        query = select(Ban).where(Ban.room_id == room, Ban.user_id == user, self._in_force())
        return await self._session.scalar(query)

    async def stored(self, room: str, user: str) -> Ban | None:
        """Return the ban of `user` from `room`, even if it has expired."""
        return await self._session.get(Ban, (room, user))

    async def count(self, room: str) -> int:
        """Return how many users are banned from `room`."""
        query = select(func.count()).where(Ban.room_id == room, self._in_force())
        return await self._session.scalar(query) or 0

    async def list_of_room(
        self, room: str, after: str | None, limit: int
    ) -> list[tuple[Ban, User]]:
        """Return bans from `room` and the banned users, in order of user id, above `after`."""
        query = (
            select(Ban, User)
            .join(User, User.id == Ban.user_id)
            .where(Ban.room_id == room, self._in_force())
            .order_by(Ban.user_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Ban.user_id > after)
        return [(ban, user) for ban, user in await self._session.execute(query)]

    async def all_of_room(self, room: str) -> Sequence[Ban]:
        """Return the bans from `room` that are in force."""
        query = select(Ban).where(Ban.room_id == room, self._in_force())
        return (await self._session.scalars(query)).all()

    async def delete_expired(self, room: str) -> None:
        """Delete the expired bans from `room`."""
        expired = and_(Ban.room_id == room, Ban.expires_at_ms <= self._now_ms)
        await self._session.execute(delete(Ban).where(expired))

    def _in_force(self) -> ColumnElement[bool]:
        return or_(Ban.expires_at_ms.is_(None), Ban.expires_at_ms > self._now_ms)
