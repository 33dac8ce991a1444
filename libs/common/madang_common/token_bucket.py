"""How often something may happen: a token bucket without a clock of its own."""

from dataclasses import dataclass

from madang_common.lru import Lru


class Bucket:
    """Allowance that fills at a steady rate up to a burst."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: "Rate") -> None:
        self._rate = rate
        self._left = float(rate.burst)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one at `now` and return 0, or return the seconds until one can be taken."""
        left = self.left(now)
        if left >= 1:
            self._left = left - 1
            return 0.0
        return (1 - left) / self._rate.per_second

    def left(self, now: float) -> float:
        """Return how much can be taken at `now`; less than 0 while a debt is paid back."""
        left = self._left + (now - self._at) * self._rate.per_second
        self._left = left = min(left, self._rate.burst)
        self._at = now
        return left

    def spend(self, amount: float) -> None:
        """Take `amount`, which may be more than there is: the rest is a debt."""
        self._left -= amount


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second in the long run, and so many at once."""

    per_second: float
    burst: float

    def bucket(self) -> Bucket:
        """Return a full bucket."""
        return Bucket(self)


class Buckets:
    """A bucket for each subject, full again for one that was not seen for long."""

    def __init__(self, rate: Rate, *, remembered: int) -> None:
        """Remember at least the last half of `remembered` subjects."""
        self._rate = rate
        self._buckets: Lru[str, Bucket] = Lru(remembered)

    def of(self, subject: str) -> Bucket:
        """Return the bucket of `subject`."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._rate.bucket()
            self._buckets.put(subject, bucket)
        return bucket
