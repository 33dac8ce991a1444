"""Who may read a room, and up to where."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import httpx

from madang_common.access import MAX_QUERIES, AccessQuery, fetch_access
from madang_common.coalescing import Coalescer
from madang_common.events.envelope import room_audience
from madang_common.events.kinds import Role
from madang_common.http.security import User
from madang_common.log.position import from_id
from madang_fold import Message
from madang_history.api.parameters import Room
from madang_history.store.coverage import Coverage
from madang_history.store.pages import Snapshot, current_snapshot


@dataclass(frozen=True, slots=True)
class Reading:
    """A member reads a room: everything that was stored before their access was checked."""

    room: str
    user: str
    role: Role | None
    snapshot: Snapshot

    @property
    def upto(self) -> int:
        """The position up to which events may be shown; -1 for none."""
        return self.snapshot.upto


class Readers:
    """Checks the access of users who read rooms."""

    def __init__(self, coverage: Coverage, rooms: httpx.AsyncClient) -> None:
        self._coverage = coverage
        self._access = Coalescer(partial(fetch_access, rooms), most=MAX_QUERIES)

    async def begin(self, room: Room, user: User) -> Reading:
        """Return what the user may read of `room`; raise NotFound or NotAMember."""
        # In this order: the access check covers all events stored before it. Later ones may have
        # been sent after the user was removed.
        snapshot = await current_snapshot(self._coverage, room_audience(room))
        query = AccessQuery(user=user.subject, room=room)
        access = await self._access.get(query)
        access.check_read()
        return Reading(room, user.subject, access.role, snapshot)

    async def cover(self, reading: Reading, messages: Iterable[Message]) -> None:
        """Raise NotFound or NotAMember unless the reader may see the present state of `messages`.

        A state can include events that were stored after the access was checked. It is checked
        again then, which covers all that was read before.
        """
        if any(from_id(message.version) > reading.upto for message in messages):
            query = AccessQuery(user=reading.user, room=reading.room)
            (await self._access.get(query)).check_read()
