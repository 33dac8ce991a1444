"""How replicas share shards evenly, each deciding for itself by what all of them see."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Seen(NamedTuple):
    """The leases as they stood a moment ago, without those that had run out."""

    replicas: Sequence[str]
    """Those that are there, the one that came first in front."""
    owners: Mapping[int, str]
    """Who holds a shard; shards that nobody holds are not in it."""


class Share(NamedTuple):
    """What a replica should do about its shards."""

    surplus: Sequence[int]
    """Shards to give up."""
    missing: int
    """How many shards it should have on top."""
    free: Sequence[int]
    """Shards that it may take for that."""


def share(me: str, seen: Seen, shards: int) -> Share:
    """Return what `me` should do, for `shards` to be spread evenly over the replicas.

    Who came first has one more if it does not come out even: so a replica that joins is given
    shards by others, but they need not exchange any between them.
    """
    each, over = divmod(shards, len(seen.replicas))
    fair = each + (seen.replicas.index(me) < over)
    mine = sorted(shard for shard, owner in seen.owners.items() if owner == me)
    free = _without(range(shards), seen.owners)
    return Share(surplus=mine[fair:], missing=max(0, fair - len(mine)), free=free)


def _without(shards: range, taken: Collection[int]) -> list[int]:
    return [shard for shard in shards if shard not in taken]
