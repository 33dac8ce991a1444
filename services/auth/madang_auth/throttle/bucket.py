"""The generic cell rate algorithm: a leaky bucket stored as one time.

`drained_at` is when the bucket is empty again. Each take moves it `interval` later; a take that
would move it more than a whole window ahead is refused.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` takes at once, and as many again over each window of `seconds`."""

    count: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds after which one take has drained."""
        return self.seconds / self.count


@dataclass(frozen=True, slots=True)
class Taken:
    """The take is allowed."""

    drained_at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The bucket is full."""

    wait_seconds: float
    """Seconds until the next take is allowed."""


ROUNDING_SECONDS = 1e-6
"""Shorter waits are rounding errors."""


def take(drained_at: float | None, limit: Limit, now: float) -> Taken | Refused:
    """Return the result of a take at `now`; a `drained_at` of None is an empty bucket."""
    after = max(drained_at or now, now) + limit.interval
    wait = after - now - limit.seconds
    return Refused(wait) if wait > ROUNDING_SECONDS else Taken(after)


def give_back(drained_at: float, limit: Limit) -> float:
    """Return `drained_at` without one take."""
    return drained_at - limit.interval
