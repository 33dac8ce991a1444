"""The lease port: the contract of an adapter that assigns each shard to one replica at a time.

LeaseLost   another replica may hold the shard; nothing was written
"""

from collections.abc import AsyncGenerator
from typing import Protocol


class LeaseLost(Exception):  # noqa: N818 - reads as what happened
    """The lease of the shard to write has expired."""


class Leases(Protocol):
    """The shards that this replica stores.

    Leases avoid duplicate work; correctness does not depend on them. A replica that was suspended
    during a write completes it later, although another one may hold the shard by then: writes of
    the store are idempotent and may overlap, and progress never decreases.
    """

    def changes(self) -> AsyncGenerator[frozenset[int]]:
        """Yield the held shards, and again whenever they change.

        Stop work on shards that were lost before the next iteration, which releases surplus shards
        to other replicas.
        """
        ...

    def holds(self, shard: int) -> bool:
        """Return whether the lease of `shard` is valid; check it before each write."""
        ...

    async def release(self) -> None:
        """Release all shards, so that others need not wait for expiry; never fails."""
        ...
