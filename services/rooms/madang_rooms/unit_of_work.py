"""The unit of work: one transaction per request, and the events that commit with it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.clock import Clock
from madang_rooms.database import Database
from madang_rooms.store.invites import InviteStore
from madang_rooms.store.memberships import MembershipStore
from madang_rooms.store.outbox import Outbox
from madang_rooms.store.rooms import RoomStore
from madang_rooms.store.users import UserStore


class UnitOfWork:
    """The repositories on one transaction, and the time at which it happens."""

    def __init__(self, session: AsyncSession, now: float) -> None:
        self.now_ms = int(now * 1000)
        self.users = UserStore(session)
        self.rooms = RoomStore(session)
        self.memberships = MembershipStore(session)
        self.invites = InviteStore(session)
        self.outbox = Outbox(session, now)


Committed = Callable[[Sequence[str]], None]
"""Called after a commit with the kinds of the events it added to the outbox."""


class UnitsOfWork:
    """Begins units of work."""

    def __init__(self, database: Database, clock: Clock, committed: Committed) -> None:
        self._database = database
        self._clock = clock
        self._committed = committed

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """Begin a unit that sees one state of the database and changes nothing."""
        async with self._database.reading() as session:
            yield UnitOfWork(session, self._clock())

    @asynccontextmanager
    async def write(self) -> AsyncIterator[UnitOfWork]:
        """Begin a unit that commits at its end, all of it, or on an exception nothing."""
        async with self._database.writing() as session:
            unit = UnitOfWork(session, self._clock())
            yield unit
            await session.commit()
        self._committed(unit.outbox.kinds)
