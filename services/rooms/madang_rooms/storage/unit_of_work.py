"""The unit of work: one transaction per request, and the events that commit with it.

A unit may run more than once: after a deadlock, or when the connection was lost before the commit,
all of it runs again in a new transaction. So its only side effects are in the database.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random_exponential,
)

from madang_common.clock import Clock
from madang_common.retrying import retried
from madang_rooms.storage.database import Database, Query, RetryableError
from madang_rooms.storage.repositories.bans import BanStore
from madang_rooms.storage.repositories.blocks import BlockStore
from madang_rooms.storage.repositories.invites import InviteStore
from madang_rooms.storage.repositories.memberships import MembershipStore
from madang_rooms.storage.repositories.outbox import Outbox
from madang_rooms.storage.repositories.removals import RemovalStore
from madang_rooms.storage.repositories.rooms import RoomStore
from madang_rooms.storage.repositories.users import UserStore

MOST_TRIES = 10
# Half fixed, half random: 10-20 ms after the first try, doubling up to 250-500 ms. Two transactions
# that deadlocked should not deadlock again.
_PAUSE = wait_exponential(multiplier=0.01, max=0.25) + wait_random_exponential(
    multiplier=0.01, max=0.25
)


class UnitOfWork:
    """The repositories on one transaction, and its time."""

    def __init__(self, session: AsyncSession, now: float) -> None:
        self.now_ms = int(now * 1000)
        self.users = UserStore(session)
        self.rooms = RoomStore(session)
        self.memberships = MembershipStore(session)
        self.invites = InviteStore(session, self.now_ms)
        self.removals = RemovalStore(session)
        self.blocks = BlockStore(session)
        self.bans = BanStore(session, self.now_ms)
        self.outbox = Outbox(session, now)


AfterCommit = Callable[[Sequence[str]], Awaitable[None]]
"""Awaited after each commit with the kinds of the events that it added; must not raise."""

T = TypeVar("T")
P = ParamSpec("P")
Work = Callable[[UnitOfWork], Awaitable[T]]


class UnitOfWorkRunner:
    """Runs units of work, and retries those that fail with a retryable error."""

    def __init__(
        self, database: Database, clock: Clock, after_commit: AfterCommit, *, retry_seconds: float
    ) -> None:
        """Start no retry later than `retry_seconds` after the first try."""
        self._database = database
        self._clock = clock
        self._after_commit = after_commit
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryableError),
            wait=_PAUSE,
            stop=stop_after_attempt(MOST_TRIES) | stop_before_delay(retry_seconds),
            reraise=True,
        )

    async def read(self, work: Work[T]) -> T:
        """Return the result of `work`, which reads one snapshot of the database."""

        async def attempt() -> T:
            async with self._database.reading() as session:
                return await work(UnitOfWork(session, self._clock()))

        return await retried(self._retrying, attempt)

    async def query(self, query: Query[T]) -> T:
        """Return the result of `query`; each of its statements may read another snapshot.

        For the reads that clients make most: it costs less than half of `read`.
        """
        return await retried(self._retrying, lambda: self._database.query(query))

    async def write(self, work: Work[T]) -> T:
        """Return the result of `work` once it is committed; roll back if it raises.

        Raise OutcomeUnknown if the connection was lost during the commit.
        """

        async def attempt() -> T:
            async with self._database.writing() as session:
                unit = UnitOfWork(session, self._clock())
                result = await work(unit)
                await self._database.commit(session)
            await self._after_commit(unit.outbox.kinds)
            return result

        return await retried(self._retrying, attempt)


class Transactional(Protocol):
    """An object whose methods run as units of work."""

    units: UnitOfWorkRunner


S = TypeVar("S", bound=Transactional)


def read_transaction(
    method: Callable[Concatenate[S, UnitOfWork, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Run `method` as one read-only unit of work, which its caller does not pass."""

    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.units.read(lambda unit: method(self, unit, *args, **kwargs))

    return run


def write_transaction(
    method: Callable[Concatenate[S, UnitOfWork, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Run `method` as one unit of work, which its caller does not pass; commit at the end."""

    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.units.write(lambda unit: method(self, unit, *args, **kwargs))

    return run
