"""The database, as the rest of the service sees it: two ways to open a session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from madang_common.problems import Unavailable

log = structlog.get_logger()


class Database:
    """Opens sessions whose transaction has begun; with the database away they are Unavailable."""

    def __init__(self, reading: AsyncEngine, writing: AsyncEngine) -> None:
        """Read through one engine and write through the other, which may be the same."""
        self._reading = reading
        self._writing = writing

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session on one snapshot; nothing is written."""
        async with _session(self._reading) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Open a session that may write; what was not committed at the end never was."""
        async with _session(self._writing) as session:
            yield session

    async def ping(self) -> None:
        """Return if the database answers."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close the connections."""
        await self._reading.dispose()
        await self._writing.dispose()


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            await session.connection()
            yield session
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        log.warning("database_unavailable", error=str(error))
        raise Unavailable("the database does not answer") from error
