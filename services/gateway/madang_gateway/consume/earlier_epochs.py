"""Reads what a gateway has to know of the epochs before its own."""

import time
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime

import structlog

from madang_common.log.port import Log, LogError, OlderLogs
from madang_common.log.reading import read_to_end
from madang_gateway.consume.dispatcher import Dispatcher

log = structlog.get_logger()

_EPOCHS = 4
"""Number of earlier epochs to read; older ones are assumed to have ended before the oldest key that
is kept."""


async def recall_earlier_epochs(
    older_logs: OlderLogs, epoch: int, dispatcher: Dispatcher, *, seconds: float
) -> None:
    """Give the last `seconds` of the epochs before `epoch` to the dispatcher, oldest first.

    So a key that was used in the last epoch is recognized in this one. What cannot be read is
    passed over: history, which is asked about a retry, has it too.
    """
    since = datetime.fromtimestamp(time.time() - seconds, UTC)
    for former in range(max(0, epoch - _EPOCHS), epoch):
        async with AsyncExitStack() as stack:
            try:
                chat_log = await stack.enter_async_context(older_logs(former, None))
                if chat_log is not None:
                    await _recall(chat_log, dispatcher, since)
            except LogError as error:
                log.warning("earlier_epoch_unreadable", epoch=former, error=str(error))


async def _recall(chat_log: Log, dispatcher: Dispatcher, since: datetime) -> None:
    for shard in range(chat_log.shards):
        async with aclosing(read_to_end(chat_log, shard, since)) as batches:
            async for batch in batches:
                dispatcher.recall(batch)
