"""The rate limit of each user's changes."""

import math
import time

from madang_common.clock import MonotonicClock
from madang_common.problems import TooManyRequests
from madang_common.token_bucket import Buckets, Rate
from madang_rooms.metrics import RoomsMetrics

_USERS = 50_000
"""Users whose token buckets are kept."""


class ChangeLimit:
    """A token bucket per user, for changes of any kind."""

    def __init__(
        self, rate: Rate, metrics: RoomsMetrics, *, clock: MonotonicClock = time.monotonic
    ) -> None:
        self._buckets = Buckets(rate, capacity=_USERS)
        self._metrics = metrics
        self._clock = clock

    def take(self, user: str) -> None:
        """Count one change by `user`; raise TooManyRequests above the limit."""
        seconds = self._buckets.of(user).take(self._clock())
        if seconds:
            self._metrics.throttled()
            raise TooManyRequests(
                f"Too many changes; retry after {math.ceil(seconds)} s.",
                retry_after_seconds=seconds,
            )
