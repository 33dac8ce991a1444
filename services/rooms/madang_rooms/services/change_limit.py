"""How often one user may change something."""

import time

from madang_common.clock import Clock
from madang_common.problems import TooManyRequests
from madang_common.token_bucket import Buckets, Rate
from madang_rooms.metrics import RoomsMetrics

_USERS = 50_000
"""Users whose allowance is remembered."""


class ChangeLimit:
    """Each user's allowance of changes, of whatever kind."""

    def __init__(self, rate: Rate, metrics: RoomsMetrics, *, clock: Clock = time.monotonic) -> None:
        self._buckets = Buckets(rate, capacity=_USERS)
        self._metrics = metrics
        self._clock = clock

    def take(self, user: str) -> None:
        """Count one change of `user`; raise TooManyRequests if they are too many."""
        seconds = self._buckets.of(user).take(self._clock())
        if seconds:
            self._metrics.throttled()
            raise TooManyRequests(
                "Too many changes; try again in a moment.", retry_after_seconds=seconds
            )
