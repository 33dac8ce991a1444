"""Compares this process' log with the one that history has stored.

History records every epoch and its number of shards. A producer that works in an earlier epoch, or
with another number of shards, would append where nobody reads; one whose log lost its data would
use ids again. So gateways and rooms ask history at the start, and when a lost log is back. Until it
has answered they append nothing.
"""

import asyncio
from contextlib import AsyncExitStack

import httpx
import orjson
import structlog

from madang_common import tasks
from madang_common.http.client import call
from madang_common.jitter import jitter
from madang_common.log.guard import GuardedLog
from madang_common.log.port import Log
from madang_common.log.runbooks import CHANGE_SHARDS
from madang_common.metrics import LogMetrics
from madang_common.problems import NotFound, Problem
from madang_common.settings import CannotStart

log = structlog.get_logger()

_ANSWER_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0


async def guard(
    stack: AsyncExitStack,
    chat_log: Log,
    metrics: LogMetrics,
    *,
    service: str,
    history: httpx.AsyncClient | None = None,
    reads: bool = True,
) -> tuple[GuardedLog, list[asyncio.Task[None]]]:
    """Return `chat_log` guarded, and the background tasks that watch and verify it.

    With `history` nothing is appended until it has confirmed that this is the current log; raise
    CannotStart as `verify_once`. The tasks end when `stack` closes.
    """
    guarded = GuardedLog(chat_log, metrics, verified=history is None, reads=reads)
    running = [tasks.start(stack, f"{service}-log", guarded.watch())]
    if history is not None:
        await verify_once(guarded, history)
        running.append(tasks.start(stack, f"{service}-log-check", verify(guarded, history)))
    return guarded, running


async def verify_once(chat_log: GuardedLog, history: httpx.AsyncClient) -> bool:
    """Ask history for its log; return whether it answered, and permit appends if it did.

    Raise CannotStart, which says what to set, if history is in a later epoch or if the number of
    shards differs.
    """
    epoch, shards = chat_log.epoch, chat_log.shards
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await call(history, "GET", "/internal/log")
        stored = orjson.loads(answer.content)
        epoch, shards = int(stored["epoch"]), int(stored["shards"])
    except NotFound:
        # A history of the version before, during an update: it knows no epoch but the first.
        if chat_log.epoch:
            return False
    except (Problem, TimeoutError, KeyError, TypeError, ValueError) as error:
        log.warning("log_not_verified", reason=str(error) or type(error).__name__)
        return False
    check_epoch_and_shards(chat_log, epoch, shards)
    chat_log.verify()
    return True


async def verify(chat_log: GuardedLog, history: httpx.AsyncClient) -> None:
    """Ask whenever that is needed, until history answers; raise CannotStart as `verify_once`."""
    while True:
        await chat_log.until_unverified()
        pause = _FIRST_PAUSE_SECONDS
        while not await verify_once(chat_log, history):
            await asyncio.sleep(jitter(pause, least=0.5))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        log.info("log_verified", epoch=chat_log.epoch, shards=chat_log.shards)


def check_epoch_and_shards(chat_log: GuardedLog, epoch: int, shards: int) -> None:
    """Raise CannotStart if `chat_log` contradicts the last log of history, of `epoch` and `shards`.

    History may be in an earlier epoch: it follows when it is started again.
    """
    if epoch > chat_log.epoch:
        raise CannotStart(
            f"history is in epoch {epoch} of the log, this process in {chat_log.epoch}: "
            f"set MADANG_LOG_EPOCH={epoch} and MADANG_LOG_SHARDS={shards}"
        )
    if epoch == chat_log.epoch and shards != chat_log.shards:
        raise CannotStart(
            f"history has {shards} shards in epoch {epoch} of the log, this process has "
            f"{chat_log.shards}: set MADANG_LOG_SHARDS={shards}, or begin a new epoch "
            f"({CHANGE_SHARDS})"
        )
