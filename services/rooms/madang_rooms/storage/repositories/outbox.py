"""The outbox: events that commit in the transaction of the change they describe.

Rows are published in the order of their ids, so the ids of one audience must be in commit order.
In SQLite they are, because one transaction writes at a time. MySQL assigns an id at the INSERT, so
a row with a lower id may commit after one with a higher id. Therefore a transaction that adds an
event for a room holds that room's row lock (`RoomStore.lock`) from before the INSERT until the
commit, and for an event to a user that user's lock (`UserStore.lock`). The next event for the same
audience then gets a higher id and commits later. Across audiences the order may differ, and an id
may be missing or appear late; nothing depends on that, because rows are deleted by their own ids.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.clock import rfc3339
from madang_common.events.data import Data
from madang_common.events.envelope import Event
from madang_common.events.kinds import document
from madang_common.ids import new_id
from madang_rooms.storage.models import OutboxRow, User


@dataclass(frozen=True, slots=True)
class ServiceSender:
    """The sender of events that the service itself causes."""

    id: str = "service:rooms"
    display_name: str = "Madang"


Sender = User | ServiceSender


class Outbox:
    """Adds events to a unit of work; reads and deletes them for the relay."""

    def __init__(self, session: AsyncSession, now: float) -> None:
        """Write on `session`; `now` is the time of the events, in seconds since the epoch."""
        self._session = session
        self._now = now
        self.kinds: list[str] = []
        """Kinds of the added events, in order."""

    def to_room(self, room: str, data: Data, sender: Sender) -> None:
        """Add an event for the members of `room`, which must be locked or new."""
        self._add(data, sender, room=room)

    def to_user(self, user: str, data: Data, sender: Sender) -> None:
        """Add an event for `user`, who must be locked."""
        self._add(data, sender, user=user)

    def _add(
        self, data: Data, sender: Sender, *, room: str | None = None, user: str | None = None
    ) -> None:
        event = Event(
            key=new_id(),
            kind=data.kind,
            sender=sender.id,
            sender_name=sender.display_name,
            at=rfc3339(self._now),
            data=document(data),
            room=room,
            user=user,
        )
        self.kinds.append(event.kind)
        row = OutboxRow(
            audience=event.audience, line=event.line(), created_at_ms=int(self._now * 1000)
        )
        self._session.add(row)

    async def oldest(self, limit: int) -> Sequence[OutboxRow]:
        """Return the oldest rows."""
        query = select(OutboxRow).order_by(OutboxRow.id).limit(limit)
        return (await self._session.scalars(query)).all()

    async def after(self, row: int, limit: int) -> Sequence[OutboxRow]:
        """Return the oldest rows after the one with this id."""
        query = select(OutboxRow).where(OutboxRow.id > row).order_by(OutboxRow.id).limit(limit)
        return (await self._session.scalars(query)).all()

    async def of_audiences(self, audiences: Collection[str]) -> Sequence[OutboxRow]:
        """Return the rows of these audiences, oldest first."""
        query = select(OutboxRow).where(OutboxRow.audience.in_(audiences)).order_by(OutboxRow.id)
        return (await self._session.scalars(query)).all()

    async def delete(self, rows: Sequence[int]) -> None:
        """Delete the rows with these ids."""
        await self._session.execute(delete(OutboxRow).where(OutboxRow.id.in_(rows)))

    async def waiting(self) -> tuple[int, int | None]:
        """Return the number of rows, and the time of the oldest in milliseconds."""
        query = select(func.count(), func.min(OutboxRow.created_at_ms))
        rows, oldest_ms = (await self._session.execute(query)).one()
        return rows, oldest_ms
