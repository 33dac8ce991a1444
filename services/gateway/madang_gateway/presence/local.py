"""Who is here, at this gateway, and what of it the board has yet to hear."""

from collections.abc import Callable

from madang_common.clock import Clock
from madang_gateway.presence.port import Place, PresenceEntry

Changes = tuple[tuple[PresenceEntry, ...], tuple[PresenceEntry, ...]]
"""Who joined and who left."""


_NAME_LENGTH = 128


class _Entry:
    """One user in one room."""

    __slots__ = ("count", "name", "noted")

    def __init__(self, name: str, *, count: int = 1, noted: bool = False) -> None:
        self.name = name
        self.count = count
        """Subscriptions that keep them there."""
        self.noted = noted
        """Whether it was given to be written, so that its end must be written too."""


class LocalPresence:
    """Counts subscriptions by room and user; all that it does for one is a few dict operations.

    Who leaves is kept for a moment: a page that is loaded anew is no news to anybody.
    """

    def __init__(self, grace_seconds: float, clock: Clock) -> None:
        """Keep who leaves for `grace_seconds`; `clock` is steady."""
        self._grace = grace_seconds
        self._clock = clock
        self._entries: dict[Place, _Entry] = {}
        self._new: dict[Place, None] = {}
        """To be written, or written again."""
        self._leaving: dict[Place, float] = {}
        """When each is to be taken off the board, the first to go first."""
        self._gone: dict[Place, None] = {}
        """To be taken off the board without further delay."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when there is something new to write, or something to wait for."""

    def __len__(self) -> int:
        """Return how many places are taken: users, each once for every room they are in."""
        return len(self._entries)

    def count(self, room: str, user: str) -> int:
        """Return how many subscriptions keep `user` in `room`."""
        entry = self._entries.get(Place(room, user))
        return 0 if entry is None else entry.count

    def enter(self, room: str, user: str, name: str) -> None:
        """Count a subscription in."""
        place = Place(room, user)
        entry = self._entries.get(place)
        if entry is None:
            self._entries[place] = _Entry(_shown(name, user))
            self._new[place] = None
            self.on_change()
            return
        entry.count += 1
        self._leaving.pop(place, None)
        self._gone.pop(place, None)
        name = _shown(name, user)
        if entry.name != name:
            entry.name = name
            self._new[place] = None
            self.on_change()

    def leave(self, room: str, user: str) -> None:
        """Count it out."""
        place = Place(room, user)
        entry = self._entries[place]
        entry.count -= 1
        if entry.count:
            return
        if entry.noted:
            self._leaving[place] = self._clock() + self._grace
            self.on_change()
        else:
            self._drop(place)

    def expel(self, room: str, user: str) -> None:
        """Do not keep `user`, whose subscriptions to `room` were ended, for any moment."""
        place = Place(room, user)
        if self._leaving.pop(place, None) is not None:
            self._gone[place] = None
            self.on_change()

    def take(self, limit: int, *, leaving: bool = True) -> Changes:
        """Return what is to be written now, up to `limit` changes; it counts as noted.

        Those who leave wait if `leaving` is not set, and until all who came are written.
        """
        joined = [self._note(place) for place in _first(self._new, limit)]
        left: list[PresenceEntry] = []
        if leaving and not self._new:
            written = {stay.place for stay in joined}
            now = self._clock()
            due = [*self._gone, *_until(self._leaving, now, limit)]
            left = [
                self._drop(place) for place in due[: limit - len(joined)] if place not in written
            ]
        return tuple(joined), tuple(left)

    def put_back(self, joined: tuple[PresenceEntry, ...], left: tuple[PresenceEntry, ...]) -> None:
        """Undo a `take` whose changes were perhaps not written."""
        for stay in joined:
            entry = self._entries.get(stay.place)
            if entry is not None:
                self._new[stay.place] = None
                entry.noted = entry.count == 0
        for stay in left:
            if stay.place not in self._entries:
                self._entries[stay.place] = _Entry(stay.name, count=0, noted=True)
                self._gone[stay.place] = None

    def start_over(self) -> set[Place]:
        """Have everything written again; return what was noted before."""
        self._new = dict.fromkeys(self._entries)
        return {place for place, entry in self._entries.items() if entry.noted}

    def next_at(self, *, leaving: bool = True) -> float | None:
        """Return when there is something to write, None for never."""
        if self._new or (leaving and self._gone):
            return self._clock()
        return next(iter(self._leaving.values()), None) if leaving else None

    def _note(self, place: Place) -> PresenceEntry:
        del self._new[place]
        entry = self._entries[place]
        entry.noted = True
        return PresenceEntry(place.room, place.user, entry.name)

    def _drop(self, place: Place) -> PresenceEntry:
        self._new.pop(place, None)
        self._leaving.pop(place, None)
        self._gone.pop(place, None)
        return PresenceEntry(place.room, place.user, self._entries.pop(place).name)


def _first(places: dict[Place, None], limit: int) -> list[Place]:
    return [place for place, _ in zip(places, range(limit), strict=False)]


def _until(leaving: dict[Place, float], now: float, limit: int) -> list[Place]:
    due: list[Place] = []
    for place, at in leaving.items():
        if at > now or len(due) == limit:
            break
        due.append(place)
    return due


def _shown(name: str, user: str) -> str:
    """Return the name to show; a token may hold none, or half a surrogate pair."""
    return (name or user)[:_NAME_LENGTH].encode(errors="replace").decode()
