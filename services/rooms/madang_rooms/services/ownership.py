"""Ownership: an open room with a member who is not disabled has an owner who is not.

Otherwise nobody could rename it, invite, or make another an owner. It passes to the
longest-standing moderator, or else to the longest-standing member. Disabled owners stay owners, for
when they come back. It is looked at, under the room's lock:

* when a user is disabled, in each room that they own, after that was committed: whoever leaves a
  room or steps down under its lock either saw the user disabled, or is seen to be gone;
* when a user is enabled again, and when somebody enters;
* in all rooms, at the start and now and then: for those disabled by a version that did not do this,
  for what is left of very many rooms, and where a process was killed in between.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from madang_common.events.kinds import MemberRoleChanged, Role, Visibility
from madang_common.problems import Unavailable
from madang_rooms.storage.models import Room
from madang_rooms.storage.repositories.outbox import ServiceSender
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitsOfWork, reads, writes

log = structlog.get_logger()

_BATCH = 50
"""Rooms that one transaction locks; a user may own many."""
_AT_ONCE_SECONDS = 1.0
"""Longest wait of a request to disable a user for their rooms; the sweep does the rest."""
_STOP_SECONDS = 5.0


async def pass_on(unit: UnitOfWork, room: Room) -> None:
    """Give `room`, which is locked, an owner if it has none and somebody can be one."""
    if room.visibility is Visibility.DIRECT or room.archived:
        return
    if await unit.memberships.has_owner(room.id):
        return
    heir = await unit.memberships.heir(room.id)
    if heir is None:
        return
    membership, user = heir
    membership.role = Role.OWNER
    sender = ServiceSender()
    changed = MemberRoleChanged(user=user.id, name=user.display_name, role=Role.OWNER, by=sender.id)
    unit.outbox.to_room(room.id, changed, sender)


class Ownership:
    """Gives rooms whose owners are disabled a new owner."""

    def __init__(self, units: UnitsOfWork) -> None:
        self.units = units
        self._left_over = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def settle_rooms_of(self, user: str, *, as_owner: bool) -> None:
        """Give the rooms of `user`, or with `as_owner` those that they own, an owner if needed.

        After a second the rest is left to the sweep.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _AT_ONCE_SECONDS
        rooms = await self._rooms_of(user, "", as_owner=as_owner)
        while rooms and loop.time() < deadline:
            await self._settle(rooms)
            rooms = await self._rooms_of(user, rooms[-1], as_owner=as_owner)
        if rooms:
            self._left_over.set()

    async def settle_all(self) -> None:
        """Give every room that only disabled users own an owner."""
        rooms = await self._without_owner("")
        while rooms and not self._stopping:
            await self._settle(rooms)
            rooms = await self._without_owner(rooms[-1])

    def start(self, seconds: float) -> None:
        """Run `settle_all` now, every `seconds`, and whenever `settle_rooms_of` left some."""
        self._task = asyncio.create_task(self._sweep(seconds), name="rooms-ownership")

    async def stop(self) -> None:
        """Finish what is under way; the rest waits for the next start."""
        if self._task is None:
            return
        # By a flag first: a driver that is connecting may swallow a cancellation.
        self._stopping = True
        self._left_over.set()
        await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _sweep(self, seconds: float) -> None:
        while not self._stopping:
            self._left_over.clear()
            try:
                await self.settle_all()
            except Unavailable as error:
                log.warning("ownership_waits", error=str(error))
            except Exception:
                # The service works without the sweep.
                log.exception("ownership_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._left_over.wait()

    @reads
    async def _rooms_of(
        self, unit: UnitOfWork, user: str, after: str, *, as_owner: bool
    ) -> Sequence[str]:
        return await unit.memberships.shared_rooms(user, after, _BATCH, as_owner=as_owner)

    @reads
    async def _without_owner(self, unit: UnitOfWork, after: str) -> Sequence[str]:
        return await unit.memberships.rooms_without_owner(after, _BATCH)

    @writes
    async def _settle(self, unit: UnitOfWork, rooms: Sequence[str]) -> None:
        """Give each of `rooms` an owner if it needs one, in the order of their ids."""
        for room in rooms:
            locked = await unit.rooms.lock(room)
            if locked is not None:
                await pass_on(unit, locked)
