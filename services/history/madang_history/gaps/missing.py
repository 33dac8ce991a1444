"""The parts of the log that history never got, over all epochs."""

from dataclasses import dataclass
from datetime import datetime

from madang_history.store.port import ProgressStore, ShardProgress


@dataclass(frozen=True, slots=True)
class Missing:
    """Batches of one shard that were never stored."""

    epoch: int
    shard: int
    first: int
    """Offset of the first one."""
    after: int
    """Offset after the last one that is known of."""
    is_open: bool
    """Whether there may have been more: the log was lost from `first` on."""
    at: datetime | None
    """When it was found; None if an earlier release found it."""

    @property
    def batches(self) -> int:
        """Number of batches; the least if it is open."""
        return self.after - self.first


async def find_missing(store: ProgressStore) -> list[Missing]:
    """Return everything that was lost, in the order of the log."""
    missing: list[Missing] = []
    for epoch in await store.epochs():
        shards = range(epoch.shards)
        progress = [await store.progress_of(shard, epoch.number) for shard in shards]
        # If one shard was lost, the others may have lost something that left no trace.
        was_lost = any(one.lost for one in progress)
        for shard in shards:
            missing += [
                Missing(epoch.number, shard, gap.first, gap.after, is_open=False, at=gap.at)
                for gap in await store.gaps(shard, epoch.number)
            ]
            if was_lost and progress[shard].is_sealed:
                missing.append(_lost_end(epoch.number, shard, progress[shard]))
    return missing


def _lost_end(epoch: int, shard: int, progress: ShardProgress) -> Missing:
    """Return the lost end of a shard, at least up to where the log was seen to reach."""
    at = progress.sealed_at
    return Missing(epoch, shard, progress.next, progress.end, is_open=True, at=at)
