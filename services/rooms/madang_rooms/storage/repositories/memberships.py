"""Memberships in the database."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from madang_common.events.kinds import Role
from madang_rooms.storage.models import Membership, Room, User


class MembershipStore:
    """Reads, adds and deletes memberships."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, membership: Membership) -> None:
        """Add `membership`."""
        self._session.add(membership)
        await self._session.flush()

    async def delete(self, membership: Membership) -> None:
        """Delete `membership`."""
        await self._session.delete(membership)
        await self._session.flush()

    async def get(self, room: str, user: str) -> Membership | None:
        """Return the membership of `user` in `room`."""
        return await self._session.get(Membership, (room, user))

    async def refresh(self, membership: Membership) -> None:
        """Read `membership` again, after its user was locked."""
        await self._session.refresh(membership)

    async def has_owner(self, room: str, *, other_than: str = "") -> bool:
        """Return whether `room` has an enabled owner `other_than` that user."""
        return await self._any_enabled(
            Membership.room_id == room,
            Membership.user_id != other_than,
            Membership.role == Role.OWNER,
        )

    async def has_member(self, room: str, *, other_than: str) -> bool:
        """Return whether `room` has an enabled member `other_than` that user."""
        return await self._any_enabled(Membership.room_id == room, Membership.user_id != other_than)

    async def next_owner(self, room: str) -> tuple[Membership, User] | None:
        """Return the member to make the owner of `room`; None if all members are disabled.

        It is the longest-standing moderator, or else the longest-standing member.
        """
        rank = case((Membership.role == Role.MODERATOR, 0), else_=1)
        query = (
            select(Membership, User)
            .join(User, User.id == Membership.user_id)
            .where(Membership.room_id == room, User.disabled.is_(False))
            .order_by(rank, Membership.joined_at_ms, Membership.user_id)
            .limit(1)
        )
        found = (await self._session.execute(query)).first()
        return None if found is None else (found[0], found[1])

    async def shared_rooms(
        self, user: str, after: str, limit: int, *, as_owner: bool
    ) -> Sequence[str]:
        """Return the ids above `after` of the rooms of `user`, neither archived nor direct."""
        query = _shared_rooms(after, limit).where(Membership.user_id == user)
        if as_owner:
            query = query.where(Membership.role == Role.OWNER)
        return (await self._session.scalars(query)).all()

    async def rooms_without_owner(self, after: str, limit: int) -> Sequence[str]:
        """Return the ids above `after` of rooms with enabled members and only disabled owners."""
        other, others = aliased(User), aliased(Membership)
        enabled = (
            select(others.user_id)
            .join(other, other.id == others.user_id)
            .where(others.room_id == Membership.room_id, other.disabled.is_(False))
        )
        query = (
            _shared_rooms(after, limit)
            .join(User, User.id == Membership.user_id)
            .where(User.disabled.is_(True), Membership.role == Role.OWNER, enabled.exists())
            .where(~enabled.where(others.role == Role.OWNER).exists())
        )
        return (await self._session.scalars(query)).all()

    async def count_rooms_of(self, user: str) -> int:
        """Return how many rooms `user` is a member of."""
        query = select(func.count()).where(Membership.user_id == user)
        return await self._session.scalar(query) or 0

    async def all_of_room(self, room: str) -> Sequence[Membership]:
        """Return all memberships of `room`."""
        query = select(Membership).where(Membership.room_id == room)
        return (await self._session.scalars(query)).all()

    async def members(
        self, room: str, after: str | None, limit: int
    ) -> list[tuple[Membership, User]]:
        """Return the members of `room` in order of user id, above `after`."""
        query = (
            select(Membership, User)
            .join(User, User.id == Membership.user_id)
            .where(Membership.room_id == room)
            .order_by(Membership.user_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Membership.user_id > after)
        return [(membership, user) for membership, user in await self._session.execute(query)]

    async def _any_enabled(self, *conditions: ColumnElement[bool]) -> bool:
        query = (
            select(Membership.user_id)
            .join(User, User.id == Membership.user_id)
            .where(*conditions, User.disabled.is_(False))
            .limit(1)
        )
        return await self._session.scalar(query) is not None


def _shared_rooms(after: str, limit: int) -> Select[str]:
    return (
        select(Membership.room_id)
        .distinct()
        .join(Room, Room.id == Membership.room_id)
        .where(
            Membership.room_id > after,
            Room.direct_pair.is_(None),
            Room.archived_at_ms.is_(None),
        )
        .order_by(Membership.room_id)
        .limit(limit)
    )
