"""Exponential backoff with full jitter."""

from collections.abc import Callable


class Backoff:
    """Delays between attempts: random, up to a bound that doubles with each failure."""

    def __init__(
        self, base_seconds: float, cap_seconds: float, random: Callable[[], float]
    ) -> None:
        """Grow the bound from `base_seconds` to `cap_seconds`; `random` returns [0, 1)."""
        self._base = base_seconds
        self._cap = cap_seconds
        self._random = random
        self._bound = base_seconds

    def reset(self) -> None:
        """Reset the bound to its initial value."""
        self._bound = self._base

    def next_seconds(self, at_least: float | None = None) -> float:
        """Return the next delay, added to `at_least`, the server's Retry-After.

        The jitter spreads clients that got the same Retry-After.
        """
        delay = self._random() * self._bound
        self._bound = min(self._cap, self._bound * 2)
        return delay + (at_least or 0)
