"""The throttle port: counts attempts by key, and stores the sites where usernames logged in.

Each method is one atomic step for all processes on the same store. A bucket is one number
(`bucket.py`) and a name has few known sites (`known_sites.py`), so an adapter needs only a lock or
a short script. A drained bucket may be deleted, and a crash may lose everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from madang_auth.throttle.bucket import Limit


@dataclass(frozen=True, slots=True)
class Charge:
    """One attempt, counted under a key."""

    key: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first charge that would exceed its limit."""

    charge: Charge
    wait_seconds: float
    """Seconds until it is allowed."""


class Throttle(Protocol):
    """Buckets by key; every method raises `problems.Unavailable` if the store does not answer."""

    async def take(self, charges: Sequence[Charge], *, now: float) -> Refusal | None:
        """Count all `charges`, whose keys differ; or none, and return the one above its limit."""
        ...

    async def check(self, charge: Charge, *, now: float) -> Refusal | None:
        """Return what `take` would return, without counting."""
        ...

    async def give_back(self, charges: Sequence[Charge], *, now: float) -> None:
        """Undo a `take`."""
        ...

    async def remember(self, name: str, site: str, *, until: float, most: int, now: float) -> None:
        """Add `site` to the known sites of `name`; keep the `most` with the latest expiry."""
        ...

    async def knows(self, name: str, site: str, *, now: float) -> bool:
        """Return whether `site` is a known site of `name`."""
        ...

    async def delete_expired(self, *, now: float) -> int:
        """Delete expired records, unless the store does that itself; return their number."""
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise Unavailable if not."""
        ...

    async def close(self) -> None:
        """Close the store."""
        ...
