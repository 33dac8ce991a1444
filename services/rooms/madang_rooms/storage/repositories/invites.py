"""Invites in the database."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Block, Invite, Room, User


class InviteStore:
    """Reads, adds and deletes invites."""

    def __init__(self, session: AsyncSession, now_ms: int) -> None:
        """Treat an invite as open if it can be accepted at `now_ms`."""
        self._session = session
        self._now_ms = now_ms

    @property
    def _open(self) -> ColumnElement[bool]:
        return and_(Invite.uses_left > 0, Invite.expires_at_ms > self._now_ms)

    async def add(self, invite: Invite) -> None:
        """Add `invite`."""
        self._session.add(invite)
        await self._session.flush()

    async def delete(self, invite: Invite) -> None:
        """Delete `invite`."""
        await self._session.delete(invite)
        await self._session.flush()

    async def get(self, code: str) -> Invite | None:
        """Return the invite without a lock; its uses and times may be outdated."""
        return await self._session.get(Invite, code)

    async def lock(self, room: str, code: str) -> Invite | None:
        """Return the invite to `room`, locked until the end of the transaction."""
        query = (
            select(Invite)
            .where(Invite.code == code, Invite.room_id == room, Invite.revoked_at_ms.is_(None))
            .with_for_update()
        )
        # A row read before the lock may be outdated.
        return await self._session.scalar(query.execution_options(populate_existing=True))

    async def open_for(self, room: str, user: str, inviter: str) -> Invite | None:
        """Return an open invite to `room` for `user`, listed to them or made by `inviter`."""
        query = select(Invite).where(
            Invite.room_id == room,
            Invite.for_user == user,
            self._open,
            or_(self._listed(user), Invite.created_by == inviter),
        )
        return await self._session.scalar(query.order_by(Invite.code).limit(1))

    async def count_of_room(self, room: str) -> int:
        """Return how many invites to `room` are open."""
        return await self._count(Invite.room_id == room, self._open)

    async def count_of_inviter(self, user: str) -> int:
        """Return how many invites that `user` made for other users are open, in all rooms."""
        return await self._count(
            Invite.created_by == user, Invite.for_user.is_not(None), self._open
        )

    async def count_between(self, inviter: str, user: str, since_ms: int) -> int:
        """Return how many invites from `inviter` to `user` are open or were made after `since_ms`.

        Accepted invites do not count; revoked and expired ones do.
        """
        recent = and_(
            Invite.created_at_ms > since_ms,
            or_(Invite.uses_left > 0, Invite.revoked_at_ms.is_not(None)),
        )
        return await self._count(
            Invite.for_user == user, Invite.created_by == inviter, or_(self._open, recent)
        )

    async def count_of_user(self, user: str) -> int:
        """Return how many invites are listed to `user`."""
        return await self._count(self._listed(user))

    async def oldest_of_top_inviter(self, user: str) -> Invite | None:
        """Return the oldest invite listed to `user` from the inviter with the most of them."""
        inviters = (
            select(Invite.created_by)
            .where(self._listed(user))
            .group_by(Invite.created_by)
            .order_by(func.count().desc(), func.min(Invite.code))
            .limit(1)
        )
        inviter = await self._session.scalar(inviters)
        query = select(Invite).where(self._listed(user), Invite.created_by == inviter)
        return await self._session.scalar(query.order_by(Invite.code).limit(1))

    async def newest_link_ms(self, room: str) -> int:
        """Return the creation time of the newest link to `room`; 0 if there is none."""
        query = select(func.max(Invite.created_at_ms))
        return (
            await self._session.scalar(
                query.where(Invite.room_id == room, Invite.for_user.is_(None))
            )
            or 0
        )

    async def list_open_of_room(self, room: str, after: str | None, limit: int) -> Sequence[Invite]:
        """Return the open invites to `room`, oldest first."""
        query = select(Invite).where(Invite.room_id == room, self._open)
        if after is not None:
            query = query.where(Invite.code > after)
        return (await self._session.scalars(query.order_by(Invite.code).limit(limit))).all()

    async def list_of_user(
        self, user: str, before: str | None, limit: int
    ) -> list[tuple[Invite, Room, User]]:
        """Return the invites listed to `user` with room and inviter, newest first."""
        query = (
            select(Invite, Room, User)
            .join(Room, Room.id == Invite.room_id)
            .join(User, User.id == Invite.created_by)
            .where(self._listed(user), Room.archived_at_ms.is_(None), User.disabled.is_(False))
            .order_by(Invite.code.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(Invite.code < before)
        return [
            (invite, room, inviter) for invite, room, inviter in await self._session.execute(query)
        ]

    async def unused_for(self, room: str, user: str) -> Sequence[Invite]:
        """Return the invites for `user` to the locked `room` that have uses left."""
        query = select(Invite).where(
            Invite.room_id == room, Invite.for_user == user, Invite.uses_left > 0
        )
        return (await self._session.scalars(query)).all()

    async def unused_of_room(self, room: str) -> Sequence[Invite]:
        """Return the invites to `room` for one user each that have uses left, expired or not."""
        query = select(Invite).where(
            Invite.room_id == room, Invite.for_user.is_not(None), Invite.uses_left > 0
        )
        return (await self._session.scalars(query)).all()

    async def delete_expired(self, room: str, before_ms: int) -> None:
        """Delete the invites to `room` that expired before `before_ms`."""
        expired = and_(Invite.room_id == room, Invite.expires_at_ms < before_ms)
        await self._session.execute(delete(Invite).where(expired))

    async def _count(self, *conditions: ColumnElement[bool]) -> int:
        return await self._session.scalar(select(func.count()).where(*conditions)) or 0

    def _listed(self, user: str) -> ColumnElement[bool]:
        """Return the condition for an invite to be listed to `user`."""
        blocked = exists().where(Block.user_id == user, Block.blocked_id == Invite.created_by)
        return and_(Invite.for_user == user, self._open, Invite.declined_at_ms.is_(None), ~blocked)
