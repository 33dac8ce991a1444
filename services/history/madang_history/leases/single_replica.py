"""Leases of the embedded form: one replica holds every shard."""

import asyncio
from collections.abc import AsyncGenerator

from typing_extensions import override

from madang_history.leases.port import Leases


class SingleReplicaLeases(Leases):
    """The leases of the only replica."""

    def __init__(self, shards: int) -> None:
        self._shards = frozenset(range(shards))

    @override
    async def changes(self) -> AsyncGenerator[frozenset[int]]:
        yield self._shards
        await asyncio.Event().wait()

    @override
    def holds(self, shard: int) -> bool:
        return shard in self._shards

    @override
    async def release(self) -> None:
        """Do nothing: there is no other replica."""
