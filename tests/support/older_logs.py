"""For a history whose log has only its first epoch, and one replica."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from madang_common.log.port import Log
from madang_history.leases.port import Leases
from madang_history.leases.single_replica import SingleReplicaLeases
from madang_history.store.port import Epoch


@asynccontextmanager
async def no_older_logs(epoch: int, shards: int | None) -> AsyncIterator[Log | None]:
    """Yield None: no older epoch exists."""
    yield None


async def alone(epoch: Epoch) -> Leases:
    """Return the leases of a replica that is alone."""
    return SingleReplicaLeases(epoch.shards)
