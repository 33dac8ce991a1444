"""The lease port: what an adapter must do to give each shard of the log one replica at a time.

LeaseLost   the shard may be another replica's by now; nothing was written
"""

from collections.abc import AsyncGenerator
from typing import Protocol


class LeaseLost(Exception):  # noqa: N818 - reads as what happened
    """A shard was to be written to whose lease has run out."""


class Leases(Protocol):
    """The shards that this replica is to bring into the store, and no other at the same time.

    Leases save work; what is stored does not depend on them. A replica that was stopped in the
    middle of a write finishes it when it wakes, whoever has the shard by then, and does no harm:
    every write of the store may be repeated and overlap, and progress never goes back.
    """

    def changes(self) -> AsyncGenerator[frozenset[int]]:
        """Yield the shards that are held, and again whenever that has changed.

        Stop working on a shard that is not among them any more before asking for what comes next:
        then it is given to another replica, if this one had too many.
        """
        ...

    def holds(self, shard: int) -> bool:
        """Return whether `shard` is surely held now; to be asked before each write."""
        ...

    async def release(self) -> None:
        """Give all shards up, so that others need not wait; never fails. Stop working first."""
        ...
