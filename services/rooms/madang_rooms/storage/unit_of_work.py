"""The unit of work: one transaction per request, and the events that commit with it.

A unit may be run more than once: when the database chose it as the victim of a deadlock, or the
connection was lost before its commit, the whole of it runs again on a new transaction. So it must
change nothing but the database, and decide nothing outside.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.clock import Clock
from madang_rooms.storage.database import Database, TryAgain
from madang_rooms.storage.repositories.bans import BanStore
from madang_rooms.storage.repositories.blocks import BlockStore
from madang_rooms.storage.repositories.invites import InviteStore
from madang_rooms.storage.repositories.memberships import MembershipStore
from madang_rooms.storage.repositories.outbox import Outbox
from madang_rooms.storage.repositories.removals import RemovalStore
from madang_rooms.storage.repositories.rooms import RoomStore
from madang_rooms.storage.repositories.users import UserStore

MOST_TRIES = 10
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


class UnitOfWork:
    """The repositories on one transaction, and the time at which it happens."""

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


Committed = Callable[[Sequence[str]], Awaitable[None]]
"""Awaited after a commit with the kinds of the events it added to the outbox; never raises."""

T = TypeVar("T")
P = ParamSpec("P")
Work = Callable[[UnitOfWork], Awaitable[T]]


class UnitsOfWork:
    """Runs units of work, anew if they may succeed then."""

    def __init__(
        self, database: Database, clock: Clock, committed: Committed, *, patience_seconds: float
    ) -> None:
        """Begin no further try of a unit `patience_seconds` after the first one began."""
        self._database = database
        self._clock = clock
        self._committed = committed
        self._patience = patience_seconds

    async def read(self, work: Work[T]) -> T:
        """Return what `work` finds in one state of the database; it changes nothing."""

        async def once() -> T:
            async with self._database.reading() as session:
                return await work(UnitOfWork(session, self._clock()))

        return await self._tried(once)

    async def write(self, work: Work[T]) -> T:
        """Return what `work` returns, once all of it is committed; on an exception nothing is.

        Raise OutcomeUnknown if the connection was lost during the commit.
        """

        async def once() -> T:
            async with self._database.writing() as session:
                unit = UnitOfWork(session, self._clock())
                result = await work(unit)
                await self._database.commit(session)
            await self._committed(unit.outbox.kinds)
            return result

        return await self._tried(once)

    async def _tried(self, once: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        longest = _FIRST_PAUSE_SECONDS
        for _ in range(MOST_TRIES - 1):
            try:
                return await once()
            except TryAgain:
                # Two that met in a deadlock should not meet again.
                pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                if loop.time() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
        return await once()


class Asking(Protocol):
    """Whatever does its work in units."""

    units: UnitsOfWork


A = TypeVar("A", bound=Asking)


def reads(
    method: Callable[Concatenate[A, UnitOfWork, P], Awaitable[T]],
) -> Callable[Concatenate[A, P], Coroutine[Any, Any, T]]:
    """Let `method` be one unit that changes nothing; its caller does not pass the unit."""

    @wraps(method)
    async def asked(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.units.read(lambda unit: method(self, unit, *args, **kwargs))

    return asked


def writes(
    method: Callable[Concatenate[A, UnitOfWork, P], Awaitable[T]],
) -> Callable[Concatenate[A, P], Coroutine[Any, Any, T]]:
    """Let `method` be one unit that commits at its end; its caller does not pass the unit."""

    @wraps(method)
    async def asked(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.units.write(lambda unit: method(self, unit, *args, **kwargs))

    return asked
