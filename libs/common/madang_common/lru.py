"""A bounded memory that forgets what has not been used for long."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Lru(Generic[K, V]):
    """A mapping of at most `count` entries, in two generations.

    When the younger is full it becomes the elder, and the elder is forgotten. What is used moves
    into the younger. So a look-up is one of a dictionary, and nothing is ever searched for what to
    forget; at least the last `count / 2` entries used are remembered.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, count: int) -> None:
        self._half = max(1, count // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return what is remembered under `key`."""
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember `value` under `key`."""
        if len(self._young) >= self._half and key not in self._young:
            self._young, self._old = {}, self._young
        self._old.pop(key, None)
        self._young[key] = value

    def forget(self, key: K) -> None:
        """Forget what is remembered under `key`, if anything is."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._young.clear()
        self._old.clear()
