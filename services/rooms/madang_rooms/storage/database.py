"""The database, as the rest of the service sees it: two ways to open a session, one to commit.

Unavailable
├── TryAgain         nothing was committed, and the same transaction anew may well succeed
└── OutcomeUnknown   the connection was lost while it committed
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from madang_common.problems import Unavailable

log = structlog.get_logger()

Bind = AsyncEngine | AsyncConnection
"""What a session runs on: connections of a pool, or this one connection."""
Judge = Callable[[DBAPIError], bool]


class TryAgain(Unavailable):
    """Nothing was committed: a deadlock, a lock that took too long, a lost connection."""


class OutcomeUnknown(Unavailable):
    """The connection was lost between asking for the commit and hearing of it.

    To run the transaction again could do it twice. So whoever asked for it decides: to look, or to
    ask again for what is the same done twice.
    """


class Database:
    """Opens sessions whose transaction has begun; with the database away they are Unavailable."""

    def __init__(
        self,
        reading: Bind,
        writing: Bind,
        *,
        passes: Judge = lambda _: False,
        undone: Judge = lambda _: True,
    ) -> None:
        """Read through one engine and write through the other, which may be the same.

        `passes` tells whether the same transaction anew may well succeed after an error, `undone`
        whether a commit that failed with it surely committed nothing.
        """
        self._reading = reading
        self._writing = writing
        self._passes = passes
        self._undone = undone

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session on one snapshot; nothing is written."""
        return self._session(self._reading)

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that may write; what was not committed at the end never was."""
        return self._session(self._writing)

    async def commit(self, session: AsyncSession) -> None:
        """Commit; raise OutcomeUnknown if nobody can tell whether that was done."""
        # Otherwise the commit would send these, and their failing be taken for its own.
        await session.flush()
        try:
            await session.commit()
        except DBAPIError as error:
            if self._undone(error):
                raise
            log.warning("database_outcome_unknown", error=str(error))
            raise OutcomeUnknown(
                "Whether this was done is not known; look before you ask again."
            ) from error

    @asynccontextmanager
    async def turn(self) -> AsyncIterator["Database | None"]:
        """Wait for this process's turn at the outbox, a moment; None if others have it longer.

        What is yielded reads and writes for as long as the turn lasts. An embedded database has
        one process, whose turn it always is.
        """
        yield self

    async def ping(self) -> None:
        """Return if the database answers."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close the connections."""
        for bind in (self._reading, self._writing):
            if isinstance(bind, AsyncEngine):
                await bind.dispose()

    @asynccontextmanager
    async def _session(self, bind: Bind) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(bind, expire_on_commit=False) as session:
                await session.connection()
                yield session
        except (OperationalError, InterfaceError, InternalError) as error:
            raise self._unavailable(error) from error
        except PoolTimeout as error:
            log.warning("database_unavailable", error=str(error))
            raise Unavailable("The database is busy; try again in a moment.") from error

    def _unavailable(self, error: DBAPIError) -> Unavailable:
        passes = self._passes(error)
        log.warning("database_unavailable", error=str(error), passes=passes)
        return (TryAgain if passes else Unavailable)(
            "The database does not answer; try again in a moment."
        )
