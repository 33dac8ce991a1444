"""How fast connections are taken, and when those that are turned away should come back."""

from collections.abc import Callable

from madang_common.token_bucket import Rate

_LONGEST_SECONDS = 30.0
"""Nobody is told to come back later than this, give or take chance."""
_CHANCE = 0.5
"""How much of the time is left to chance: from a quarter less to a quarter more."""


class ConnectionRate:
    """Takes so many per second, and gives the others places in a queue that nobody has to keep.

    Each who is turned away is told a time at which, going by how many were turned away before,
    there is room: so a crowd comes back spread over the time that it takes to let it in.
    """

    def __init__(self, per_second: float, chance: Callable[[], float]) -> None:
        """Take all if `per_second` is 0; else that many at once too. `chance` is from [0, 1)."""
        self._per_second = per_second
        self._chance = chance
        self._bucket = Rate(per_second, max(1, int(per_second))).bucket()
        self._turned_away = 0.0
        """Those who may not have come back yet."""
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one at `now` and return 0, or return the seconds after which to come back."""
        if not self._per_second:
            return 0.0
        wait = self._bucket.take(now)
        come_back = (now - self._at) * self._per_second
        self._turned_away = max(0.0, self._turned_away - come_back)
        self._at = now
        if not wait:
            return 0.0
        self._turned_away += 1
        seconds = wait + self._turned_away / self._per_second
        return min(seconds, _LONGEST_SECONDS) * (1 + (self._chance() - 0.5) * _CHANCE)
