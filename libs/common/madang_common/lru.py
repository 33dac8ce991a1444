"""Bounded cache with approximate LRU eviction."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """A mapping of at most `capacity` entries, in two dictionaries.

    An entry that is used moves to the recent one. When that is full it becomes the older one, and
    the previous older one is dropped. So a look-up costs one or two of a dictionary, eviction needs
    no search, and at least the last `capacity / 2` entries used are kept.
    """

    __slots__ = ("_half", "_older", "_recent")

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._recent: dict[K, V] = {}
        self._older: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def get(self, key: K) -> V | None:
        """Return the value of `key` and count that as a use."""
        value = self._recent.get(key)
        if value is None and self._older:
            value = self._older.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Set the value of `key`."""
        if len(self._recent) >= self._half and key not in self._recent:
            self._recent, self._older = {}, self._recent
        self._older.pop(key, None)
        self._recent[key] = value

    def discard(self, key: K) -> None:
        """Remove `key` if it is there."""
        self._recent.pop(key, None)
        self._older.pop(key, None)

    def clear(self) -> None:
        """Remove all entries."""
        self._recent.clear()
        self._older.clear()
