"""Users in the database."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.problems import Conflict
from madang_rooms.storage.models import User


class UserStore:
    """Reads and adds users."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user: User) -> None:
        """Add `user`; raise Conflict if the username is taken."""
        self._session.add(user)
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise Conflict("This username is taken.") from error

    async def get(self, user: str) -> User | None:
        """Return the user by id."""
        return await self._session.get(User, user)

    async def by_username(self, username: str) -> User | None:
        """Return the user by their canonical username."""
        return await self._session.scalar(select(User).where(User.username == username))

    async def by_ids(self, users: Iterable[str]) -> dict[str, User]:
        """Return the existing users of `users`, by id."""
        wanted = set(users)
        if not wanted:
            return {}
        found = await self._session.scalars(select(User).where(User.id.in_(wanted)))
        return {user.id: user for user in found}

    async def lock(self, *users: str) -> dict[str, User]:
        """Return the existing users of `users`, by id, locked until the end of the transaction.

        Users are locked after the room and in the order of their ids, which prevents deadlocks.
        """
        query = select(User).where(User.id.in_(users)).order_by(User.id).with_for_update()
        # A row read before the lock may be outdated.
        fresh = query.execution_options(populate_existing=True)
        return {user.id: user for user in await self._session.scalars(fresh)}

    async def with_prefix(self, prefix: str, limit: int) -> list[User]:
        """Return enabled users whose username begins with `prefix`, by username."""
        # A range instead of LIKE: '_' is a plain character, and every database uses the index.
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        query = (
            select(User)
            .where(User.username >= prefix, User.username < after, User.disabled.is_(False))
            .order_by(User.username)
            .limit(limit)
        )
        return list(await self._session.scalars(query))
