"""Declares the log's topology in RabbitMQ if it does not exist, and checks the shard count.

Passive declarations, which need no permission, come first. So a process whose user has no configure
permission can start if the topology exists, for example from `deploy/rabbitmq/definitions.json`.
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

_SETUP_LOCK = "madang.setup"
"""Exclusive queue; the connection that owns it may declare."""
_SETUP_LOCK_SECONDS = 30.0


async def declare_log(connection: AmqpConnection, shards: int, retention: Retention) -> None:
    """Declare streams, exchanges and queues; raise LogMismatch if the shard count differs."""
    if await _exists_completely(connection, shards):
        return
    async with _setup_lock(connection):
        # Another process may have declared everything while this one waited for the lock.
        if await _exists_completely(connection, shards):
            return
        for exchange in topology.EXCHANGES:
            await declare_exchange(connection, exchange)
        for queue in topology.queues(shards, retention):
            await _declare_queue(connection, queue)
    log.info("log_declared", shards=shards)


async def declare_exchange(connection: AmqpConnection, exchange: Exchange) -> None:
    """Declare `exchange` if it does not exist."""
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, passive=True)
            return
    except AmqpUnavailable as error:
        if not isinstance(error.__cause__, ChannelNotFoundEntity):
            raise
    finally:
        connection.release(channel)
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=True)
    finally:
        connection.release(channel)


async def _exists_completely(connection: AmqpConnection, shards: int) -> bool:
    """Return whether everything exists; raise LogMismatch if the shard count differs.

    Streams are declared from the last shard to the first, and the queue after them. So if the first
    shard exists all do, and if the queue exists they are bound too.
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
        connection.release(channel)
    return True


async def _declare_queue(connection: AmqpConnection, queue: Queue) -> None:
    # An existing stream keeps its retention; only policies change it.
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
        connection.release(channel)


@asynccontextmanager
async def _setup_lock(connection: AmqpConnection) -> AsyncIterator[None]:
    """Hold the setup lock: only one process declares at a time."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_is_locked),
        stop=stop_after_delay(_SETUP_LOCK_SECONDS),
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
                await channel.queue_delete(_SETUP_LOCK)
        finally:
            connection.release(channel)


async def _lock(connection: AmqpConnection) -> AbstractChannel:
    """Return a channel that owns the setup lock; raise AmqpUnavailable if another owns it."""
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_declare(_SETUP_LOCK, exclusive=True)
    except AmqpUnavailable:
        connection.release(channel)
        raise
    return channel


def _is_locked(error: BaseException) -> bool:
    return isinstance(error.__cause__, ChannelLockedResource)
