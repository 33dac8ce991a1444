"""Sessions and commits on the database, the same for SQLite and MySQL.

Unavailable
├── RetryableError   nothing was committed; the same transaction may succeed if it runs again
└── OutcomeUnknown   the connection was lost during the commit
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.util import greenlet_spawn

from madang_common.problems import Unavailable

log = structlog.get_logger()

Bind = AsyncEngine | AsyncConnection
"""The connections of a session: those of a pool, or one connection."""
ErrorPredicate = Callable[[DBAPIError], bool]

T = TypeVar("T")
Query = Callable[[Connection], T]
"""Executes statements on a connection, which it must not keep."""


class RetryableError(Unavailable):
    """Nothing was committed: a deadlock, a lock wait timeout or a lost connection."""


class OutcomeUnknown(Unavailable):
    """The connection was lost after the commit was sent and before the server confirmed it.

    The transaction must not run again by itself, because it may have been committed. The client
    decides: it reads the state, or repeats a request that is idempotent.
    """


class Database:
    """Opens sessions with a transaction; raises Unavailable if the database does not answer."""

    def __init__(
        self,
        reading: Bind,
        writing: Bind,
        *,
        querying: AsyncEngine | None = None,
        is_retryable: ErrorPredicate = lambda _: False,
        is_rolled_back: ErrorPredicate = lambda _: True,
    ) -> None:
        """Read through `reading` and write through `writing`, which may be the same.

        Queries go through `querying`, which may end each statement's transaction with it, or
        else through `reading`.
        `is_retryable` returns whether the same transaction may succeed if it runs again;
        `is_rolled_back` whether a commit that failed with this error certainly committed nothing.
        """
        self._reading = reading
        self._writing = writing
        self._querying = querying or reading
        self._is_retryable = is_retryable
        self._is_rolled_back = is_rolled_back

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a read-only session on one snapshot, from its first statement on."""
        return self._session(self._reading)

    async def query(self, query: Query[T]) -> T:
        """Return the result of `query`; each of its statements may read another snapshot.

        A session and an AsyncConnection start a greenlet for each step, and a task for the last
        one. Here one greenlet takes a connection of the pool, runs `query` and returns it.
        """
        with self._lost_is_unavailable():
            if isinstance(self._querying, AsyncConnection):
                return await self._querying.run_sync(query)
            return await greenlet_spawn(_query, self._querying.sync_engine, query)

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that may write; it rolls back at the end unless it was committed."""
        return self._session(self._writing, begin=True)

    async def commit(self, session: AsyncSession) -> None:
        """Commit; raise OutcomeUnknown if the database may or may not have committed."""
        # Flush first: an error of a pending statement must not look like an error of the commit.
        await session.flush()
        try:
            await session.commit()
        except DBAPIError as error:
            if self._is_rolled_back(error):
                raise
            log.warning("database_outcome_unknown", error=str(error))
            raise OutcomeUnknown(
                "The change may or may not have been saved; check before you retry."
            ) from error

    @asynccontextmanager
    async def lock_outbox(self) -> AsyncIterator["Database | None"]:
        """Hold the lock of the outbox; yield None if another replica keeps it too long.

        The yielded database can be used while the lock is held. An embedded database has one
        process, so it needs no lock.
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
    async def _session(self, bind: Bind, *, begin: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session; with `begin`, on a connection in a transaction."""
        with self._lost_is_unavailable():
            async with AsyncSession(bind, expire_on_commit=False) as session:
                if begin:
                    await session.connection()
                yield session

    @contextmanager
    def _lost_is_unavailable(self) -> Iterator[None]:
        """Raise Unavailable for errors of the connection or of the pool."""
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            raise self._unavailable(error) from error
        except PoolTimeout as error:
            log.warning("database_unavailable", error=str(error))
            raise Unavailable("The database is busy; retry in a moment.") from error

    def _unavailable(self, error: DBAPIError) -> Unavailable:
        retryable = self._is_retryable(error)
        log.warning("database_unavailable", error=str(error), retryable=retryable)
        kind = RetryableError if retryable else Unavailable
        return kind("The database does not answer; retry in a moment.")


def _query(engine: Engine, query: Query[T]) -> T:
    with engine.connect() as connection:
        return query(connection)
