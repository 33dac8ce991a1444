"""Invites in the database."""

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.models import Invite, Room, User


class InviteStore:
    """Reads, adds and deletes invites."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, invite: Invite) -> None:
        """Add `invite`."""
        self._session.add(invite)
        await self._session.flush()

    async def delete(self, invite: Invite) -> None:
        """Delete `invite`."""
        await self._session.delete(invite)
        await self._session.flush()

    async def room_of(self, code: str) -> str | None:
        """Return the room that `code` leads to."""
        return await self._session.scalar(select(Invite.room_id).where(Invite.code == code))

    async def lock(self, room: str, code: str) -> Invite | None:
        """Return the invite to `room`, locked until the end of the transaction."""
        query = select(Invite).where(Invite.code == code, Invite.room_id == room).with_for_update()
        return await self._session.scalar(query)

    async def open_for(self, room: str, user: str, now_ms: int) -> Invite | None:
        """Return the invite to `room` that `user` can accept already."""
        query = select(Invite).where(Invite.room_id == room, Invite.for_user == user, _open(now_ms))
        return await self._session.scalar(query.limit(1))

    async def count_open(self, room: str, now_ms: int) -> int:
        """Return how many invites to `room` can be accepted."""
        query = select(func.count()).where(Invite.room_id == room, _open(now_ms))
        return await self._session.scalar(query) or 0

    async def open_of_room(
        self, room: str, now_ms: int, after: str | None, limit: int
    ) -> list[Invite]:
        """Return the invites to `room` that can be accepted, oldest first."""
        query = select(Invite).where(Invite.room_id == room, _open(now_ms))
        if after is not None:
            query = query.where(Invite.code > after)
        return list(await self._session.scalars(query.order_by(Invite.code).limit(limit)))

    async def open_of_user(
        self, user: str, now_ms: int, after: str | None, limit: int
    ) -> list[tuple[Invite, Room, User]]:
        """Return the invites for `user`, oldest first, each with its room and who made it."""
        query = (
            select(Invite, Room, User)
            .join(Room, Room.id == Invite.room_id)
            .join(User, User.id == Invite.created_by)
            .where(Invite.for_user == user, _open(now_ms), Room.archived_at_ms.is_(None))
            .order_by(Invite.code)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Invite.code > after)
        return [(invite, room, by) for invite, room, by in await self._session.execute(query)]

    async def forget_for(self, room: str, user: str) -> None:
        """Delete the invites to `room` that are for `user`."""
        theirs = and_(Invite.room_id == room, Invite.for_user == user)
        await self._session.execute(delete(Invite).where(theirs))

    async def forget(self, room: str, before_ms: int) -> None:
        """Delete the invites to `room` that expired before `before_ms`."""
        old = and_(Invite.room_id == room, Invite.expires_at_ms < before_ms)
        await self._session.execute(delete(Invite).where(old))


def _open(now_ms: int) -> ColumnElement[bool]:
    return and_(Invite.uses_left > 0, Invite.expires_at_ms > now_ms)
