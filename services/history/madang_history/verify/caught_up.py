"""`madang-history wait`: return once everything is stored that is in the log now."""

import asyncio

from madang_common.log.port import Log
from madang_common.settings import CannotStart
from madang_history.store.epochs import is_sealed
from madang_history.store.port import ProgressStore

_PAUSE_SECONDS = 0.1


async def wait_until_stored(chat_log: Log, store: ProgressStore, *, seconds: float) -> None:
    """Return when all that is in the log at the call is stored; raise CannotStart after `seconds`.

    That includes the epochs before, which history completes first. Only reads. Raise LogError or
    StoreError if the log or the store fails.
    """
    ends = {shard: await chat_log.end(shard) for shard in range(chat_log.shards)}
    try:
        async with asyncio.timeout(seconds):
            for epoch in await store.epochs():
                if epoch.number < chat_log.epoch:
                    while not await is_sealed(store, epoch):  # noqa: ASYNC110 - by another process
                        await asyncio.sleep(_PAUSE_SECONDS)
            for shard, end in ends.items():
                while await store.progress(shard) < end:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise CannotStart(
            f"after {seconds:g} s history has not stored all that was in the log; is it running?"
        ) from None
