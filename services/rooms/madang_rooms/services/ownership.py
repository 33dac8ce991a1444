"""Ownership: every open room with an enabled member has an enabled owner.

Without one, no member could rename the room, invite, or make another member an owner. The new owner
is the longest-standing moderator, or else the longest-standing member. Disabled owners stay owners,
for when they are enabled again. The rule is checked under the room's lock:

* after a user was disabled and that was committed, in each room that they own: a member who leaves
  or steps down under the room's lock either saw the user disabled, or is seen to be gone;
* when a user is enabled again, and when a user joins;
* in all rooms, at the start and periodically: for users that an older version disabled, for the
  remaining rooms of users with very many, and after a process was killed in between.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from madang_common.events.kinds import MemberRoleChanged, Role, Visibility
from madang_common.problems import Unavailable
from madang_rooms.storage.models import Room
from madang_rooms.storage.repositories.outbox import ServiceSender
from madang_rooms.storage.unit_of_work import (
    UnitOfWork,
    UnitOfWorkRunner,
    read_transaction,
    write_transaction,
)

log = structlog.get_logger()

_BATCH = 50
"""Most rooms that one transaction locks; a user may own many."""
_REQUEST_SECONDS = 1.0
"""Longest time that a request to disable a user spends on their rooms."""
_STOP_SECONDS = 5.0


async def ensure_owner(unit: UnitOfWork, room: Room) -> None:
    """Give the locked `room` an owner if it has no enabled one and an enabled member."""
    if room.visibility is Visibility.DIRECT or room.archived:
        return
    if await unit.memberships.has_owner(room.id):
        return
    found = await unit.memberships.next_owner(room.id)
    if found is None:
        return
    membership, user = found
    membership.role = Role.OWNER
    sender = ServiceSender()
    event = MemberRoleChanged(user=user.id, name=user.display_name, role=Role.OWNER, by=sender.id)
    unit.outbox.to_room(room.id, event, sender)


class OwnershipReconciler:
    """Gives rooms without an enabled owner a new one."""

    def __init__(self, units: UnitOfWorkRunner) -> None:
        self.units = units
        self._woken = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def reconcile_rooms_of(self, user: str, *, as_owner: bool) -> None:
        """Check the rooms of `user`, or with `as_owner` only those that they own.

        After a second the remaining rooms are left to the background task.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REQUEST_SECONDS
        rooms = await self._rooms_of(user, "", as_owner=as_owner)
        while rooms and loop.time() < deadline:
            await self._ensure_owners(rooms)
            rooms = await self._rooms_of(user, rooms[-1], as_owner=as_owner)
        if rooms:
            self._woken.set()

    async def reconcile_all(self) -> None:
        """Check every room that only disabled users own."""
        rooms = await self._without_owner("")
        while rooms and not self._stopping:
            await self._ensure_owners(rooms)
            rooms = await self._without_owner(rooms[-1])

    def start(self, seconds: float) -> None:
        """Run `reconcile_all` now, every `seconds`, and when `reconcile_rooms_of` left rooms."""
        self._task = asyncio.create_task(self._run(seconds), name="rooms-ownership")

    async def stop(self) -> None:
        """Finish the current batch; the rest waits for the next start."""
        if self._task is None:
            return
        # A flag first, because a driver that is connecting may swallow a cancellation.
        self._stopping = True
        self._woken.set()
        await asyncio.wait([self._task], timeout=_STOP_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, seconds: float) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                await self.reconcile_all()
            except Unavailable as error:
                log.warning("ownership_waits", error=str(error))
            except Exception:
                # Requests do not depend on this task.
                log.exception("ownership_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()

    @read_transaction
    async def _rooms_of(
        self, unit: UnitOfWork, user: str, after: str, *, as_owner: bool
    ) -> Sequence[str]:
        return await unit.memberships.shared_rooms(user, after, _BATCH, as_owner=as_owner)

    @read_transaction
    async def _without_owner(self, unit: UnitOfWork, after: str) -> Sequence[str]:
        return await unit.memberships.rooms_without_owner(after, _BATCH)

    @write_transaction
    async def _ensure_owners(self, unit: UnitOfWork, rooms: Sequence[str]) -> None:
        """Check each of `rooms`, in the order of their ids."""
        for room in rooms:
            locked = await unit.rooms.lock(room)
            if locked is not None:
                await ensure_owner(unit, locked)
