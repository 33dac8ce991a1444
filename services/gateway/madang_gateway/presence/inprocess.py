"""Presence within one process."""

import time
from bisect import bisect_right
from dataclasses import dataclass, field

from typing_extensions import override

from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_gateway.presence.port import (
    Batch,
    Cleared,
    Forgotten,
    Outcome,
    Person,
    Place,
    PresenceChange,
    PresenceEntry,
    PresenceStore,
    Present,
)


@dataclass(slots=True)
class _Gateway:
    """What is noted of one gateway."""

    until: float
    number: int = 0
    places: dict[Place, None] = field(default_factory=dict)
    dead: bool = False


@dataclass(slots=True)
class _Here:
    """One user in one room."""

    name: str
    gateways: set[str]


class InProcessPresence(PresenceStore):
    """Notes of the gateways of this process, of which there is usually one."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Let a steady `clock` tell whose time is over."""
        self._clock = clock
        self._life = new_id()
        self._gateways: dict[str, _Gateway] = {}
        self._rooms: dict[str, dict[str, _Here]] = {}

    @override
    async def enroll(self, gateway: str, seconds: float) -> str:
        self._gateways[gateway] = _Gateway(self._clock() + seconds)
        return self._life

    @override
    async def write(self, gateway: str, batch: Batch) -> Outcome:
        noted = self._enrolled(gateway)
        if noted.number == batch.number:
            return Outcome()
        if noted.number != batch.number - 1:
            raise Forgotten
        noted.number = batch.number
        left = [self._take_out(gateway, noted, stay.place) for stay in batch.left]
        joined = [self._put_in(gateway, noted, stay) for stay in batch.joined]
        return Outcome(_turns(joined), _turns(left))

    @override
    async def renew(self, gateway: str, number: int, seconds: float) -> tuple[str, ...]:
        noted = self._enrolled(gateway)
        if noted.number != number:
            raise Forgotten
        now = self._clock()
        noted.until = now + seconds
        return tuple(name for name, other in self._gateways.items() if other.until <= now)

    @override
    async def clear(self, dead: str, limit: int) -> Cleared:
        noted = self._gateways.get(dead)
        if noted is None or noted.until > self._clock():
            return Cleared((), done=True)
        noted.dead = True
        places = list(noted.places)[:limit]
        left = [self._take_out(dead, noted, place) for place in places]
        if not noted.places:
            del self._gateways[dead]
        return Cleared(_turns(left), done=not noted.places)

    @override
    async def retire(self, gateway: str, seconds: float) -> None:
        noted = self._gateways.get(gateway)
        if noted is not None and not noted.dead:
            noted.until = self._clock() + seconds

    @override
    async def present(self, room: str, *, after: str, limit: int) -> Present:
        found = self._rooms.get(room, {})
        users = sorted(found)
        start = bisect_right(users, after)
        people = tuple(Person(user, found[user].name) for user in users[start : start + limit])
        return Present(people, len(users), start + limit < len(users), time.time())

    @override
    async def close(self) -> None:
        self._rooms.clear()

    def _enrolled(self, gateway: str) -> _Gateway:
        noted = self._gateways.get(gateway)
        if noted is None or noted.dead:
            raise Forgotten
        return noted

    def _put_in(self, gateway: str, noted: _Gateway, stay: PresenceEntry) -> PresenceChange | None:
        users = self._rooms.setdefault(stay.room, {})
        here = users.get(stay.user)
        noted.places[stay.place] = None
        if here is not None:
            here.name = stay.name
            here.gateways.add(gateway)
            return None
        users[stay.user] = _Here(stay.name, {gateway})
        return PresenceChange(stay, len(users), time.time())

    def _take_out(self, gateway: str, noted: _Gateway, place: Place) -> PresenceChange | None:
        noted.places.pop(place, None)
        users = self._rooms.get(place.room, {})
        here = users.get(place.user)
        if here is None:
            return None
        here.gateways.discard(gateway)
        if here.gateways:
            return None
        del users[place.user]
        if not users:
            del self._rooms[place.room]
        return PresenceChange(PresenceEntry(*place, here.name), len(users), time.time())


def _turns(changes: list[PresenceChange | None]) -> tuple[PresenceChange, ...]:
    return tuple(turn for turn in changes if turn is not None)
