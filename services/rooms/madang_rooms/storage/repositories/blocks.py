"""Blocks in the database."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_rooms.storage.models import Block, User


class BlockStore:
    """Reads, adds and deletes blocks."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, block: Block) -> None:
        """Add `block`."""
        self._session.add(block)
        await self._session.flush()

    async def delete(self, block: Block) -> None:
        """Delete `block`."""
        await self._session.delete(block)
        await self._session.flush()

    async def get(self, user: str, blocked: str) -> Block | None:
        """Return the block by `user` on `blocked`."""
        return await self._session.get(Block, (user, blocked))

    async def count(self, user: str) -> int:
        """Return how many users `user` blocks."""
        query = select(func.count()).where(Block.user_id == user)
        return await self._session.scalar(query) or 0

    async def list_of_user(
        self, user: str, after: str | None, limit: int
    ) -> list[tuple[Block, User]]:
        """Return the blocks by `user` and the blocked users, in order of user id, above `after`."""
        query = (
            select(Block, User)
            .join(User, User.id == Block.blocked_id)
            .where(Block.user_id == user)
            .order_by(Block.blocked_id)
            .limit(limit)
        )
        if after is not None:
            query = query.where(Block.blocked_id > after)
        return [(block, user) for block, user in await self._session.execute(query)]
