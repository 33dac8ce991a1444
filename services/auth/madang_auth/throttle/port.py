"""The throttle port: counts tries by key, and remembers the sites where usernames logged in.

Each method is one atomic step for every process that uses the same store. A bucket is one number
(`bucket.py`), the known sites of a name are a few (`known_sites.py`), so an adapter needs no more
than a lock or a short script. A bucket that has drained may be dropped, and everything may be lost
in a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from madang_auth.throttle.bucket import Limit


@dataclass(frozen=True, slots=True)
class Charge:
    """One try to be counted under a key."""

    key: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first charge that would go over its limit."""

    charge: Charge
    wait_seconds: float
    """When it will fit."""


class Throttle(Protocol):
    """Buckets by key; any method raises `problems.Unavailable` when the store does not answer."""

    async def take(self, charges: Sequence[Charge], *, now: float) -> Refusal | None:
        """Count each of `charges`, of which no two have a key in common.

        If one would go over its limit, none is counted, and that one is returned.
        """
        ...

    async def check(self, charge: Charge, *, now: float) -> Refusal | None:
        """Return what `take` would, and count nothing."""
        ...

    async def give_back(self, charges: Sequence[Charge], *, now: float) -> None:
        """Uncount what `take` counted."""
        ...

    async def remember(self, name: str, site: str, *, until: float, most: int, now: float) -> None:
        """Know `site` as one of `name` until then; of more than `most`, those known longest."""
        ...

    async def knows(self, name: str, site: str, *, now: float) -> bool:
        """Return whether `site` is known as one of `name`."""
        ...

    async def sweep(self, *, now: float) -> int:
        """Forget what is over and does not go by itself; return how many buckets and sites."""
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise Unavailable if not."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...
