"""Opens the chat log on RabbitMQ, as the settings of a service describe it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from madang_common.log.amqp import AmqpLog
from madang_common.settings import CommonSettings


@asynccontextmanager
async def open_log(settings: CommonSettings, *, service: str) -> AsyncIterator[AmqpLog]:
    """Yield the log and close it afterwards; operators see `service` as its connections' name.

    Raise CannotStart if MADANG_AMQP_URL is not set, LogError if the log cannot be opened.
    """
    chat_log = await AmqpLog.open(
        settings.required("amqp_url"),
        settings.log_shards,
        retention=settings.retention,
        name=service,
    )
    try:
        yield chat_log
    finally:
        await chat_log.close()
