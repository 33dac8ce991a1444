"""The epochs of the log that a store has: which one a process may store, and how they are named."""

import asyncio
import time
from collections.abc import Sequence

from madang_common.log.port import Log
from madang_common.log.position import MAX_EPOCH
from madang_common.log.runbooks import BROKER_DATA_LOST, CHANGE_SHARDS
from madang_history.store.port import Epoch, ProgressStore, StoreMismatch

_SHARD_BITS = 10
"""A log has at most 1,024 shards."""
_LAG_PAUSE_SECONDS = 0.2


def shard_id(shard: int, epoch: int) -> int:
    """Return the number under which stores keep `shard` of `epoch`: in epoch 0 the shard's own."""
    return epoch << _SHARD_BITS | shard


def epoch_of_id(shard_id: int) -> int:
    """Return the epoch of a number that `shard_id` returned."""
    return shard_id >> _SHARD_BITS


def shard_of_id(shard_id: int) -> int:
    """Return the shard of a number that `shard_id` returned."""
    return shard_id & ((1 << _SHARD_BITS) - 1)


def check_epoch(stored: Sequence[Epoch], current: Epoch) -> bool:
    """Return whether `current` is a new epoch for a store that has `stored`, oldest first.

    Raise StoreMismatch if it is older than the last one, or has another number of shards.
    """
    if not 0 <= current.number <= MAX_EPOCH:
        raise StoreMismatch(f"MADANG_LOG_EPOCH={current.number}: expected 0 to {MAX_EPOCH}")
    if not stored or current.number > stored[-1].number:
        return True
    last = stored[-1]
    if current.number < last.number:
        raise StoreMismatch(
            f"MADANG_LOG_EPOCH={current.number}: epoch {last.number} of the log is stored already;"
            f" set MADANG_LOG_EPOCH={last.number} and MADANG_LOG_SHARDS={last.shards}, or a new"
            f" epoch as in {BROKER_DATA_LOST}"
        )
    if current.shards != last.shards:
        raise StoreMismatch(
            f"epoch {last.number} of the log has {last.shards} shards, not {current.shards}; set"
            f" MADANG_LOG_SHARDS={last.shards}, or change the number as in {CHANGE_SHARDS}"
        )
    return False


async def is_sealed(store: ProgressStore, epoch: Epoch) -> bool:
    """Return whether everything of `epoch` is stored that ever will be."""
    for shard in range(epoch.shards):
        if not (await store.progress_of(shard, epoch.number)).is_sealed:
            return False
    return True


async def check_log(chat_log: Log, store: ProgressStore, *, lag_seconds: float = 0.0) -> None:
    """Raise StoreMismatch if history has stored or seen more than `chat_log` has.

    Then it is another log, or its data was lost. A node of the log's cluster may lag behind the
    one that was read before for `lag_seconds`.
    """
    for shard in range(chat_log.shards):
        # In this order: the end that history knows of was reached before the log is asked.
        reached = (await store.progress_of(shard, store.epoch)).end
        end = await _end_at_least(reached, chat_log, shard, lag_seconds)
        if reached > end:
            raise StoreMismatch(
                f"shard {shard} of the log reached offset {reached}, but this log ends at {end}:"
                f" it is another log, or its data was lost; see {BROKER_DATA_LOST}"
            )


async def _end_at_least(reached: int, chat_log: Log, shard: int, within_seconds: float) -> int:
    """Return the end of `shard`, once it is `reached` or after `within_seconds`."""
    deadline = time.monotonic() + within_seconds
    while True:
        end = await chat_log.end(shard)
        if end >= reached or time.monotonic() >= deadline:
            return end
        await asyncio.sleep(_LAG_PAUSE_SECONDS)
