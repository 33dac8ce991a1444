"""Presence on this gateway, and its changes that are not written to the store yet."""

from collections.abc import Callable

from madang_common.clock import MonotonicClock
from madang_gateway.presence.port import PresenceEntry, PresenceKey

Changes = tuple[tuple[PresenceEntry, ...], tuple[PresenceEntry, ...]]
"""Entries that joined and that left."""

_NAME_LENGTH = 128


class _Presence:
    """A user's presence in one room."""

    __slots__ = ("count", "name", "written")

    def __init__(self, name: str, *, count: int = 1, written: bool = False) -> None:
        self.name = name
        self.count = count
        """Subscriptions of the user to the room."""
        self.written = written
        """Whether the store may have the entry, so that its end must be written too."""


class LocalPresence:
    """Counts subscriptions by room and user; a change costs a few dict operations.

    An entry without subscriptions is kept for a grace period, so that reloading a page does not
    count as leaving.
    """

    def __init__(self, grace_seconds: float, clock: MonotonicClock) -> None:
        """Keep an entry without subscriptions for `grace_seconds`."""
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._present: dict[PresenceKey, _Presence] = {}
        self._joined: dict[PresenceKey, None] = {}
        """To be written, or written again."""
        self._leaving: dict[PresenceKey, float] = {}
        """End of each grace period, earliest first."""
        self._left: dict[PresenceKey, None] = {}
        """To be removed from the store without a grace period."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when there is a new change to write now or later."""

    def __len__(self) -> int:
        """Return the number of entries: users, once for each of their rooms."""
        return len(self._present)

    def count(self, room: str, user: str) -> int:
        """Return the number of subscriptions of `user` to `room`."""
        presence = self._present.get(PresenceKey(room, user))
        return 0 if presence is None else presence.count

    def enter(self, room: str, user: str, name: str) -> None:
        """Add a subscription."""
        key = PresenceKey(room, user)
        presence = self._present.get(key)
        if presence is None:
            self._present[key] = _Presence(_display_name(name, user))
            self._joined[key] = None
            self.on_change()
            return
        presence.count += 1
        self._leaving.pop(key, None)
        self._left.pop(key, None)
        name = _display_name(name, user)
        if presence.name != name:
            presence.name = name
            self._joined[key] = None
            self.on_change()

    def leave(self, room: str, user: str) -> None:
        """Remove a subscription."""
        key = PresenceKey(room, user)
        presence = self._present[key]
        presence.count -= 1
        if presence.count:
            return
        if presence.written:
            self._leaving[key] = self._clock() + self._grace_seconds
            self.on_change()
        else:
            self._drop(key)

    def expel(self, room: str, user: str) -> None:
        """End the grace period of `user`, whose subscriptions to `room` were ended."""
        key = PresenceKey(room, user)
        if self._leaving.pop(key, None) is not None:
            self._left[key] = None
            self.on_change()

    def take_changes(self, limit: int, *, leaving: bool = True) -> Changes:
        """Return up to `limit` changes to write now, which count as written.

        Joins come first. Entries leave only if `leaving` is set and no join is left.
        """
        joined = [self._mark_written(key) for key in _first(self._joined, limit)]
        left: list[PresenceEntry] = []
        if leaving and not self._joined:
            written = {entry.key for entry in joined}
            due = [*self._left, *_expired(self._leaving, self._clock(), limit)]
            left = [self._drop(key) for key in due[: limit - len(joined)] if key not in written]
        return tuple(joined), tuple(left)

    def restore_changes(
        self, joined: tuple[PresenceEntry, ...], left: tuple[PresenceEntry, ...]
    ) -> None:
        """Undo a `take_changes` of which it is not known whether the changes were written."""
        for entry in joined:
            presence = self._present.get(entry.key)
            if presence is not None:
                self._joined[entry.key] = None
                presence.written = presence.count == 0
        for entry in left:
            if entry.key not in self._present:
                self._present[entry.key] = _Presence(entry.name, count=0, written=True)
                self._left[entry.key] = None

    def rewrite_all(self) -> set[PresenceKey]:
        """Make every entry a change to write; return the entries that were written before."""
        self._joined = dict.fromkeys(self._present)
        return {key for key, presence in self._present.items() if presence.written}

    def next_change_at(self, *, leaving: bool = True) -> float | None:
        """Return the time at which there is a change to write, None if there is none."""
        if self._joined or (leaving and self._left):
            return self._clock()
        return next(iter(self._leaving.values()), None) if leaving else None

    def _mark_written(self, key: PresenceKey) -> PresenceEntry:
        del self._joined[key]
        presence = self._present[key]
        presence.written = True
        return PresenceEntry(key.room, key.user, presence.name)

    def _drop(self, key: PresenceKey) -> PresenceEntry:
        self._joined.pop(key, None)
        self._leaving.pop(key, None)
        self._left.pop(key, None)
        return PresenceEntry(key.room, key.user, self._present.pop(key).name)


def _first(keys: dict[PresenceKey, None], limit: int) -> list[PresenceKey]:
    return [key for key, _ in zip(keys, range(limit), strict=False)]


def _expired(leaving: dict[PresenceKey, float], now: float, limit: int) -> list[PresenceKey]:
    expired: list[PresenceKey] = []
    for key, at in leaving.items():
        if at > now or len(expired) == limit:
            break
        expired.append(key)
    return expired


def _display_name(name: str, user: str) -> str:
    """Return `name` as it can be stored; a token may have none, or half a surrogate pair."""
    return (name or user)[:_NAME_LENGTH].encode(errors="replace").decode()
