"""Presence store in this process."""

import time
from bisect import bisect_right
from dataclasses import dataclass, field

from typing_extensions import override

from madang_common.clock import MonotonicClock
from madang_common.ids import new_id
from madang_gateway.presence.port import (
    ClearResult,
    EnrolmentLost,
    PresenceBatch,
    PresenceChange,
    PresenceEntry,
    PresenceKey,
    PresencePage,
    PresenceStore,
    PresentUser,
    WriteResult,
)


@dataclass(slots=True)
class _Enrolment:
    """A gateway's lease and entries."""

    expires_at: float
    number: int = 0
    keys: dict[PresenceKey, None] = field(default_factory=dict)
    dead: bool = False


@dataclass(slots=True)
class _Presence:
    """A user's presence in one room."""

    name: str
    gateways: set[str]


class InProcessPresence(PresenceStore):
    """Entries of the gateways of this process, usually one."""

    def __init__(self, clock: MonotonicClock = time.monotonic) -> None:
        self._clock = clock
        self._data_id = new_id()
        self._enrolments: dict[str, _Enrolment] = {}
        self._rooms: dict[str, dict[str, _Presence]] = {}

    @override
    async def enroll(self, gateway: str, lease_seconds: float) -> str:
        self._enrolments[gateway] = _Enrolment(self._clock() + lease_seconds)
        return self._data_id

    @override
    async def write(self, gateway: str, batch: PresenceBatch) -> WriteResult:
        enrolment = self._enrolment(gateway)
        if enrolment.number == batch.number:
            return WriteResult()
        if enrolment.number != batch.number - 1:
            raise EnrolmentLost
        enrolment.number = batch.number
        left = [self._remove(gateway, enrolment, entry.key) for entry in batch.left]
        joined = [self._add(gateway, enrolment, entry) for entry in batch.joined]
        return WriteResult(_changes(joined), _changes(left))

    @override
    async def renew(self, gateway: str, number: int, lease_seconds: float) -> tuple[str, ...]:
        enrolment = self._enrolment(gateway)
        if enrolment.number != number:
            raise EnrolmentLost
        now = self._clock()
        enrolment.expires_at = now + lease_seconds
        return tuple(name for name, other in self._enrolments.items() if other.expires_at <= now)

    @override
    async def clear(self, dead: str, limit: int) -> ClearResult:
        enrolment = self._enrolments.get(dead)
        if enrolment is None or enrolment.expires_at > self._clock():
            return ClearResult((), done=True)
        enrolment.dead = True
        keys = list(enrolment.keys)[:limit]
        left = [self._remove(dead, enrolment, key) for key in keys]
        if not enrolment.keys:
            del self._enrolments[dead]
        return ClearResult(_changes(left), done=not enrolment.keys)

    @override
    async def retire(self, gateway: str, lease_seconds: float) -> None:
        enrolment = self._enrolments.get(gateway)
        if enrolment is not None and not enrolment.dead:
            enrolment.expires_at = self._clock() + lease_seconds

    @override
    async def page(self, room: str, *, after: str, limit: int) -> PresencePage:
        present = self._rooms.get(room, {})
        ids = sorted(present)
        start = bisect_right(ids, after)
        users = tuple(PresentUser(user, present[user].name) for user in ids[start : start + limit])
        return PresencePage(users, len(ids), start + limit < len(ids), time.time())

    @override
    async def ping(self) -> None:
        """Return at once."""

    @override
    async def close(self) -> None:
        self._rooms.clear()

    def _enrolment(self, gateway: str) -> _Enrolment:
        enrolment = self._enrolments.get(gateway)
        if enrolment is None or enrolment.dead:
            raise EnrolmentLost
        return enrolment

    def _add(
        self, gateway: str, enrolment: _Enrolment, entry: PresenceEntry
    ) -> PresenceChange | None:
        users = self._rooms.setdefault(entry.room, {})
        presence = users.get(entry.user)
        enrolment.keys[entry.key] = None
        if presence is not None:
            presence.name = entry.name
            presence.gateways.add(gateway)
            return None
        users[entry.user] = _Presence(entry.name, {gateway})
        return PresenceChange(entry, len(users), time.time())

    def _remove(
        self, gateway: str, enrolment: _Enrolment, key: PresenceKey
    ) -> PresenceChange | None:
        enrolment.keys.pop(key, None)
        users = self._rooms.get(key.room, {})
        presence = users.get(key.user)
        if presence is None:
            return None
        presence.gateways.discard(gateway)
        if presence.gateways:
            return None
        del users[key.user]
        if not users:
            del self._rooms[key.room]
        return PresenceChange(PresenceEntry(*key, presence.name), len(users), time.time())


def _changes(changes: list[PresenceChange | None]) -> tuple[PresenceChange, ...]:
    return tuple(change for change in changes if change is not None)
