"""The generic cell rate algorithm: a bucket that drains steadily, kept as a single time.

`drained_at` is when the bucket will be empty again. Each take puts it `interval` later, and a take
that would put it more than a whole window ahead is refused.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So many takes at once, and as many again over each window of so many seconds."""

    count: int
    seconds: float

    @property
    def interval(self) -> float:
        """Seconds in which one take drains."""
        return self.seconds / self.count


@dataclass(frozen=True, slots=True)
class Taken:
    """One more was let through."""

    drained_at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The bucket is full."""

    wait_seconds: float
    """When the next take will fit."""


ROUNDING_SECONDS = 1e-6
"""What a wait may be by rounding alone."""


def take(drained_at: float | None, limit: Limit, now: float) -> Taken | Refused:
    """Return what a take at `now` does to a bucket, which is empty if it is None."""
    after = max(drained_at or now, now) + limit.interval
    wait = after - now - limit.seconds
    return Refused(wait) if wait > ROUNDING_SECONDS else Taken(after)


def give_back(drained_at: float, limit: Limit) -> float:
    """Return the bucket as if one take had not been."""
    return drained_at - limit.interval
