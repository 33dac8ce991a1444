"""Even distribution of shards over replicas; each replica decides from the same snapshot."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class LeaseSnapshot(NamedTuple):
    """The valid leases at one time."""

    replicas: Sequence[str]
    """Registered replicas, oldest first."""
    owners: Mapping[int, str]
    """The holder of each shard; shards without one are missing."""


class Share(NamedTuple):
    """The shards that one replica should release and take."""

    surplus: Sequence[int]
    """Shards to release."""
    missing: int
    """Number of shards to take."""
    free: Sequence[int]
    """Shards that it may take."""


def fair_share(name: str, snapshot: LeaseSnapshot, shards: int) -> Share:
    """Return the share of the replica `name` in an even distribution of `shards`.

    The oldest replicas get the remainder, so that a new replica takes shards from others without
    any exchange between those.
    """
    each, over = divmod(shards, len(snapshot.replicas))
    fair = each + (snapshot.replicas.index(name) < over)
    mine = sorted(shard for shard, owner in snapshot.owners.items() if owner == name)
    free = _without(range(shards), snapshot.owners)
    return Share(surplus=mine[fair:], missing=max(0, fair - len(mine)), free=free)


def _without(shards: range, taken: Collection[int]) -> list[int]:
    return [shard for shard in shards if shard not in taken]
