"""Rate limit of new connections, with retry times that spread a connect storm."""

from collections.abc import Callable

from madang_common.token_bucket import Rate

_MAX_SECONDS = 30.0
"""Longest retry time, before randomization."""
_CHANCE = 0.5
"""Randomized share of the retry time: from a quarter less to a quarter more."""


class ConnectionRate:
    """Accepts so many connections per second and gives refused clients a time to retry.

    The retry time grows with the number of clients refused before: a connect storm returns spread
    over the time that it takes to accept it. No queue of clients is needed.
    """

    def __init__(self, per_second: float, chance: Callable[[], float]) -> None:
        """Accept all if `per_second` is 0; it is also the burst. `chance` is a random [0, 1)."""
        self._per_second = per_second
        self._chance = chance
        self._bucket = Rate(per_second, max(1, int(per_second))).bucket()
        self._refused = 0.0
        """Estimated clients that were refused and have not retried yet."""
        self._at = 0.0

    def take(self, now: float) -> float:
        """Accept a connection at `now` and return 0, or return the seconds after which to retry."""
        if not self._per_second:
            return 0.0
        wait = self._bucket.take(now)
        retried = (now - self._at) * self._per_second
        self._refused = max(0.0, self._refused - retried)
        self._at = now
        if not wait:
            return 0.0
        self._refused += 1
        seconds = wait + self._refused / self._per_second
        return min(seconds, _MAX_SECONDS) * (1 + (self._chance() - 0.5) * _CHANCE)
