"""The memberships that ended shortly before the current epoch of the log began."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing

import structlog

from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import MEMBERSHIP_CHANGES
from madang_common.log.port import Log, LogError, OlderLogs
from madang_common.log.position import first_offset
from madang_common.log.reading import read_to_end
from madang_history.store.port import Epoch

log = structlog.get_logger()

REPLAYED_BATCHES = 4096
"""Batches before the progress that are read again for their departures; far more than can be
between a removal and a message that was in flight at that time."""
_MOST_CHANGES = 100_000


async def read_membership_changes(epoch: Epoch, older_logs: OlderLogs) -> Sequence[Event]:
    """Return the last membership changes of `epoch`, in the order of each room.

    Best effort: a shard that cannot be read is skipped. This is safe, because the gateways of the
    next epoch start after all of these changes.
    """
    changes: deque[Event] = deque(maxlen=_MOST_CHANGES)
    async with older_logs(epoch.number, epoch.shards) as older:
        if older is None:
            return ()
        for shard in range(epoch.shards):
            try:
                await _read_shard(older, shard, changes)
            except LogError as error:
                log.warning("departures_unknown", epoch=epoch.number, error=str(error))
    return tuple(changes)


async def _read_shard(older: Log, shard: int, changes: deque[Event]) -> None:
    end = await older.end(shard)
    start = max(first_offset(older.epoch), end - REPLAYED_BATCHES)
    async with aclosing(read_to_end(older, shard, start, end=end)) as batches:
        async for batch in batches:
            changes.extend(_membership_changes(batch.lines))


def _membership_changes(lines: Iterable[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            event = read_line(line)
        except ValueError:
            continue  # a dead letter
        if event.kind in MEMBERSHIP_CHANGES:
            yield event
