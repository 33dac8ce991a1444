"""Makes what the log needs in RabbitMQ, if it is not there, and checks the number of shards.

Everything is asked for first, which needs no permission. A process whose user may not configure
anything works where somebody else, or `deploy/rabbitmq/definitions.json`, made the topology.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpUnavailable, unavailable
from madang_common.log import topology
from madang_common.log.port import LogMismatch, Retention
from madang_common.log.topology import Exchange, Queue, stream_name

log = structlog.get_logger()

_TURN = "madang.setup"
"""Exclusive queue: whoever has it may declare, until its connection ends."""
_TURN_SECONDS = 30.0


async def declare_log(connection: AmqpConnection, shards: int, retention: Retention) -> None:
    """Make the streams and all around them; raise LogMismatch if they are not `shards` many."""
    if await _complete(connection, shards):
        return
    async with _turn(connection):
        # Another process may have made everything while this one waited for its turn.
        if await _complete(connection, shards):
            return
        for exchange in topology.EXCHANGES:
            await declare_exchange(connection, exchange)
        for queue in topology.queues(shards, retention):
            await _declare_queue(connection, queue)
    log.info("log_declared", shards=shards)


async def declare_exchange(connection: AmqpConnection, exchange: Exchange) -> None:
    """Make `exchange` if it is not there."""
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, passive=True)
            return
    except AmqpUnavailable as error:
        if not isinstance(error.__cause__, ChannelNotFoundEntity):
            raise
    finally:
        connection.leave(channel)
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=True)
    finally:
        connection.leave(channel)


async def _complete(connection: AmqpConnection, shards: int) -> bool:
    """Tell whether everything is there; raise LogMismatch if it was made for other shards.

    Streams are declared from the last shard down to the first, and the queue after them. So the
    first shard being there means that all are, and the queue that they are bound too.
    """
    if await _exists(connection, stream_name(shards)):
        raise LogMismatch(f"RabbitMQ's log was made with more than {shards} shards")
    if not await _exists(connection, stream_name(0)):
        return False
    if not await _exists(connection, stream_name(shards - 1)):
        raise LogMismatch(f"RabbitMQ's log was made with fewer than {shards} shards")
    return await _exists(connection, topology.DEAD)


async def _exists(connection: AmqpConnection, queue: str) -> bool:
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_declare(queue, passive=True)
    except AmqpUnavailable as error:
        if isinstance(error.__cause__, ChannelNotFoundEntity):
            return False
        raise
    finally:
        connection.leave(channel)
    return True


async def _declare_queue(connection: AmqpConnection, queue: Queue) -> None:
    # A stream that is there keeps the retention it was made with: policies change it.
    exists = await _exists(connection, queue.name)
    channel = await connection.channel()
    try:
        with unavailable():
            if not exists:
                await channel.queue_declare(
                    queue.name, durable=True, arguments=dict(queue.arguments)
                )
            for key in queue.keys:
                await channel.queue_bind(queue.name, topology.LOG, key)
    finally:
        connection.leave(channel)


@asynccontextmanager
async def _turn(connection: AmqpConnection) -> AsyncIterator[None]:
    """Be the only process that declares."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_is_locked),
        stop=stop_after_delay(_TURN_SECONDS),
        wait=wait_random(0.05, 0.15),
        reraise=True,
    ):
        with attempt:
            channel = await _lock(connection)
    try:
        yield
    finally:
        try:
            with unavailable():
                await channel.queue_delete(_TURN)
        finally:
            connection.leave(channel)


async def _lock(connection: AmqpConnection) -> AbstractChannel:
    """Return a channel that holds the setup queue; raise AmqpUnavailable if another has it."""
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_declare(_TURN, exclusive=True)
    except AmqpUnavailable:
        connection.leave(channel)
        raise
    return channel


def _is_locked(error: BaseException) -> bool:
    return isinstance(error.__cause__, ChannelLockedResource)
