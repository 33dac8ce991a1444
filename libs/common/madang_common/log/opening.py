"""Opens the chat log on RabbitMQ, as the settings of a service describe it.

`open_existing_log` and `open_epoch` declare nothing: the first is for commands, the second for what
is left of an earlier epoch.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Log
from madang_common.settings import CannotStart, CommonSettings


@asynccontextmanager
async def open_log(
    settings: CommonSettings, *, service: str, declare_even_if_exists: bool = False
) -> AsyncIterator[AmqpLog]:
    """Yield the log and close it afterwards; operators see `service` as its connections' name.

    See `AmqpLog.open` for `declare_even_if_exists`.

    Raise CannotStart if no RabbitMQ is set, LogError if the log cannot be opened.
    """
    chat_log = await AmqpLog.open(
        settings.require_amqp(),
        settings.log_shards,
        epoch=settings.log_epoch,
        retention=settings.retention,
        name=service,
        patience_seconds=settings.start_seconds,
        declare_even_if_exists=declare_even_if_exists,
    )
    try:
        yield chat_log
    finally:
        await chat_log.close()


@asynccontextmanager
async def open_existing_log(settings: CommonSettings, *, service: str) -> AsyncIterator[Log]:
    """Yield the log; nothing is declared, so a wrong epoch in `settings` ends no other.

    Raise CannotStart if no RabbitMQ is set or it has no such log, LogError as `open_log`.
    """
    chat_log = await AmqpLog.open_current(
        settings.require_amqp(),
        settings.log_shards,
        epoch=settings.log_epoch,
        name=service,
        patience_seconds=settings.start_seconds,
    )
    if chat_log is None:
        raise CannotStart(
            f"RabbitMQ has no log in epoch {settings.log_epoch}; set MADANG_LOG_EPOCH and"
            " MADANG_LOG_SHARDS as the services have them"
        )
    try:
        yield chat_log
    finally:
        await chat_log.close()


@asynccontextmanager
async def open_epoch(
    settings: CommonSettings, epoch: int, shards: int | None, *, service: str
) -> AsyncIterator[Log | None]:
    """Yield the log of an earlier `epoch` with `shards`, to read; None if none of it exists.

    See `OlderLogs`, which this is, with `settings` and `service`.
    Raise CannotStart if no RabbitMQ is set, LogUnavailable if it does not answer.
    """
    chat_log = await AmqpLog.open_existing(
        settings.require_amqp(),
        shards,
        epoch=epoch,
        name=f"{service} epoch {epoch}",
        patience_seconds=settings.start_seconds,
    )
    try:
        yield chat_log
    finally:
        if chat_log is not None:
            await chat_log.close()
