"""Reads a shard of the log to an end that is known before."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from madang_common.log.port import Batch, Log, LogEnded, Start
from madang_common.log.position import first_offset


async def read_to_end(
    chat_log: Log, shard: int, start: Start, *, end: int | None = None
) -> AsyncGenerator[Batch]:
    """Yield the batches of `shard` from `start` on that are before the offset `end`.

    By default that is the end that the shard has at this time. Return also if retention dropped the
    last batches of an epoch that has ended. Raise LogError as `Log.follow`.
    """
    if end is None:
        end = await chat_log.end(shard)
    if end <= (start if isinstance(start, int) else first_offset(chat_log.epoch)):
        return
    try:
        async with aclosing(chat_log.follow(shard, start)) as batches:
            async for batch in batches:
                if batch.offset < end:
                    yield batch
                if batch.offset + 1 >= end:
                    return
    except LogEnded:
        return
