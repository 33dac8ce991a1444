"""How long to wait before trying again: exponential, with full jitter."""

from collections.abc import Callable


class Backoff:
    """Draws each delay from 0 to a bound that doubles with every failure."""

    def __init__(
        self, base_seconds: float, cap_seconds: float, random: Callable[[], float]
    ) -> None:
        """Take `random` from [0, 1); the bound grows from `base_seconds` to `cap_seconds`."""
        self._base = base_seconds
        self._cap = cap_seconds
        self._random = random
        self._bound = base_seconds

    def reset(self) -> None:
        """Begin again with the smallest bound."""
        self._bound = self._base

    def next_seconds(self, at_least: float | None = None) -> float:
        """Return the next delay, which begins after the `at_least` that the server asked for.

        So those who were told the same do not come back together.
        """
        delay = self._random() * self._bound
        self._bound = min(self._cap, self._bound * 2)
        return delay + (at_least or 0)
