"""The throttle port: counts what is tried, under a key.

Each method is one atomic step for every process that uses the same store, and a bucket is one
number (`bucket.py`), so an adapter needs no more than a lock or a short script. A bucket that has
drained may be forgotten, and all of them may be lost in a crash.
"""

from typing import Protocol

from madang_auth.throttle.bucket import Limit, Refused, Taken


class Throttle(Protocol):
    """Buckets by key; any method raises `problems.Unavailable` when the store does not answer."""

    async def take(self, key: str, limit: Limit, *, now: float) -> Taken | Refused:
        """Count one under `key` unless that goes over `limit`."""
        ...

    async def give_back(self, key: str, limit: Limit, *, now: float) -> None:
        """Uncount one that `take` counted."""
        ...

    async def sweep(self, *, now: float) -> int:
        """Forget drained buckets that do not go by themselves; return how many those were."""
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise Unavailable if not."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
