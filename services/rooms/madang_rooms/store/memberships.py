"""Memberships in the database."""

from collections.abc import Collection

from sqlalchemy import Result, and_, func, literal, null, select, tuple_, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.events.kinds import Role
from madang_rooms.models import Membership, Room, User


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

    async def owners(self, room: str) -> int:
        """Return how many owners `room` has."""
        query = select(func.count()).where(
            Membership.room_id == room, Membership.role == Role.OWNER
        )
        return await self._session.scalar(query) or 0

    async def rooms_of(self, user: str) -> int:
        """Return how many rooms `user` is in."""
        query = select(func.count()).where(Membership.user_id == user)
        return await self._session.scalar(query) or 0

    async def members(
        self, room: str, after: str | None, limit: int
    ) -> list[tuple[Membership, User]]:
        """Return the members of `room` by user id, from above `after`."""
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

    async def standings(
        self, pairs: Collection[tuple[str, str]]
    ) -> tuple[dict[str, bool], dict[tuple[str, str], Role]]:
        """Return which of the rooms are archived, and the roles, of (room, user) `pairs`.

        One statement of two halves. Joined, the database would go through all members of each
        room; and by the pairs alone SQLite goes through all memberships there are, where by the
        users it finds their few in an index.
        """
        archived = Room.archived_at_ms.is_not(None)
        wanted = and_(
            Membership.user_id.in_({user for _, user in pairs}),
            tuple_(Membership.room_id, Membership.user_id).in_(list(pairs)),
        )
        # The first half decides how both are read.
        nobody = type_coerce(null(), Membership.user_id.type).label("user_id")
        rooms = select(Room.id, nobody, null().label("role"), archived).where(
            Room.id.in_({room for room, _ in pairs})
        )
        roles = select(
            Membership.room_id, Membership.user_id, Membership.role, literal(value=False)
        ).where(wanted)
        archived_by_room: dict[str, bool] = {}
        role_of: dict[tuple[str, str], Role] = {}
        found: Result[str, str | None, str | None, bool] = await self._session.execute(
            union_all(rooms, roles)
        )
        for room, user, role, is_archived in found:
            if user is None or role is None:
                archived_by_room[room] = bool(is_archived)
            else:
                role_of[room, user] = Role(role)
        return archived_by_room, role_of
