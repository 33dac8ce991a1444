"""Token buckets for rate limits; the caller passes the time."""

from dataclasses import dataclass

from madang_common.lru import Lru


class Bucket:
    """Tokens that refill at a steady rate up to a burst."""

    __slots__ = ("_limit", "_tokens", "_updated_at")

    def __init__(self, limit: "Rate") -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._updated_at = 0.0

    def take(self, now: float) -> float:
        """Take one token at `now` and return 0, or return the seconds until one is available."""
        tokens = self.available(now)
        if tokens >= 1:
            self._tokens = tokens - 1
            return 0.0
        return (1 - tokens) / self._limit.per_second

    def available(self, now: float) -> float:
        """Return the tokens available at `now`; less than 0 while a debt is refilled."""
        tokens = self._tokens + (now - self._updated_at) * self._limit.per_second
        self._tokens = tokens = min(tokens, self._limit.burst)
        self._updated_at = now
        return tokens

    def spend(self, amount: float) -> None:
        """Take `amount` tokens; if there are fewer, the difference is a debt."""
        self._tokens -= amount


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate limit: refill per second, and capacity."""

    per_second: float
    burst: float

    def bucket(self) -> Bucket:
        """Return a full bucket."""
        return Bucket(self)


class Buckets:
    """A bucket for each subject; the buckets used least recently are dropped."""

    def __init__(self, rate: Rate, *, capacity: int) -> None:
        """Keep at least the last `capacity / 2` subjects; others get a full bucket again."""
        self._rate = rate
        self._buckets: Lru[str, Bucket] = Lru(capacity)

    def of(self, subject: str) -> Bucket:
        """Return the bucket of `subject`."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._rate.bucket()
            self._buckets.put(subject, bucket)
        return bucket
