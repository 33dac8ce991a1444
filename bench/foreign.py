"""Another gateway's traffic: appends batches of events in rooms without subscribers.

`python -m bench.foreign URL EVENTS` appends that many, one batch at a time in each shard.
"""

import asyncio
import sys
from datetime import UTC, datetime
from functools import cache

from bench.targets.port import TEXT
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.events.envelope import Event, room_audience
from madang_common.ids import new_id
from madang_common.log.amqp import AmqpLog
from madang_common.log.position import shard_of
from madang_common.settings import CommonSettings

BATCH_LINES = 100
_SHARDS = int(CommonSettings.model_fields["log_shards"].default)
_ROOMS = 1000


def foreign_batch(shard: int, number: int) -> tuple[bytes, ...]:
    """Return the lines of a batch, whose rooms are those of `shard`, taken in turn."""
    rooms = _rooms(shard)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    first = number * BATCH_LINES
    return tuple(
        Event(
            key=new_id(),
            kind="message.created",
            sender=f"sender-{line % 100}",
            sender_name="Somebody else",
            at=at,
            data={"text": f"{TEXT} {line:08d}"},
            room=rooms[line % len(rooms)],
        ).line()
        for line in range(first, first + BATCH_LINES)
    )


@cache
def _rooms(shard: int) -> list[str]:
    rooms = [f"foreign-{number:04d}" for number in range(_ROOMS)]
    return [room for room in rooms if shard_of(room_audience(room), _SHARDS) == shard]


async def append(url: str, events: int) -> None:
    """Append so many events, over all shards."""
    log = await AmqpLog.open(AmqpEndpoint.at(url), _SHARDS, name="bench")
    numbers = iter(range(events // BATCH_LINES))

    async def fill(shard: int) -> None:
        for number in numbers:
            await log.append(shard, foreign_batch(shard, number))

    async with asyncio.TaskGroup() as group:
        for shard in range(_SHARDS):
            group.create_task(fill(shard))
    await log.close()


if __name__ == "__main__":
    asyncio.run(append(sys.argv[1], int(sys.argv[2])))
