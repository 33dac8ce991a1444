"""Declares the log's topology in RabbitMQ if it does not exist, and checks the shard count.

Passive declarations, which need no configure permission, come first. So a process whose user has
no configure permission can start if the topology exists, and waits until another process has
declared it.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import structlog
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelLockedResource
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
    wait_random,
)

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpNotFound, AmqpRefused, AmqpUnavailable, unavailable
from madang_common.log import topology
from madang_common.log.ending import end_epochs_before, is_ended, queue_exists
from madang_common.log.port import LogMismatch, Retention
from madang_common.log.topology import Exchange, Queue, stream_name

log = structlog.get_logger()

_SETUP_LOCK = "madang.setup"
"""Exclusive queue; the connection that owns it may declare."""
_SETUP_LOCK_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
"""Pause between two attempts."""


async def declare_log(
    connection: AmqpConnection,
    epoch: int,
    shards: int,
    retention: Retention,
    *,
    patience_seconds: float,
    even_if_exists: bool = False,
) -> None:
    """Declare streams, exchanges and queues of `epoch`, after all epochs before it were ended.

    Raise LogMismatch if the shard count differs, or if `epoch` has ended or the next was begun.

    Nothing is declared if everything exists, unless `even_if_exists`: RabbitMQ may have lost a
    binding, which does not show.

    A user that may not declare waits until another has. All wait until the existing streams are
    available: RabbitMQ starts them after it accepts connections. Raise AmqpUnavailable after
    `patience_seconds`.
    """
    async for attempt in _until_available(patience_seconds):
        with attempt:
            if even_if_exists or not await _exists_completely(connection, epoch, shards):
                await _declare_all(
                    connection, epoch, shards, retention, even_if_exists=even_if_exists
                )


async def log_exists(
    connection: AmqpConnection, epoch: int, shards: int, *, patience_seconds: float
) -> bool:
    """Return whether the streams of `epoch` exist; wait and raise as `declare_log`."""
    async for attempt in _until_available(patience_seconds):
        with attempt:
            return await _streams_exist(connection, epoch, shards)
    raise AssertionError("unreachable")


async def declare_exchange(
    connection: AmqpConnection, exchange: Exchange, *, patience_seconds: float = 0
) -> None:
    """Declare `exchange` if it does not exist; wait as `declare_log` does."""
    async for attempt in _until_available(patience_seconds):
        with attempt:
            await _declare_exchange(connection, exchange)


def _until_available(patience_seconds: float) -> AsyncRetrying:
    def report(state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome is not None:
            log.warning("log_not_available", reason=str(state.outcome.exception()))

    return AsyncRetrying(
        retry=retry_if_exception_type(AmqpUnavailable),
        stop=stop_after_delay(patience_seconds),
        wait=wait_fixed(_PAUSE_SECONDS),
        before_sleep=report,
        reraise=True,
    )


async def _declare_all(
    connection: AmqpConnection,
    epoch: int,
    shards: int,
    retention: Retention,
    *,
    even_if_exists: bool,
) -> None:
    async with _setup_lock(connection):
        # Another process may have declared everything while this one waited for the lock.
        if await _exists_completely(connection, epoch, shards) and not even_if_exists:
            return
        await _raise_if_ended(connection, epoch, shards)
        await _declare_exchange(connection, topology.LOG_EXCHANGE)
        await end_epochs_before(connection, epoch, least_shards=shards)
        for queue in topology.queues(shards, retention, epoch):
            await _declare_queue(connection, queue)
        # Also those of earlier epochs, which RabbitMQ may have lost or which were skipped: a
        # process of an earlier epoch looks for the next one only. That of `epoch` comes last.
        for begun in range(1, epoch + 1):
            await _declare_exchange(connection, topology.epoch_exchange(begun))
        await _declare_exchange(connection, topology.LIVE_EXCHANGE)
    log.info("log_declared", epoch=epoch, shards=shards)


async def _declare_exchange(connection: AmqpConnection, exchange: Exchange) -> None:
    if await _exchange_exists(connection, exchange):
        return
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=True)
    finally:
        connection.release(channel)


async def _exchange_exists(connection: AmqpConnection, exchange: Exchange) -> bool:
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.exchange_declare(exchange.name, passive=True)
    except AmqpNotFound:
        return False
    finally:
        connection.release(channel)
    return True


async def _exists_completely(connection: AmqpConnection, epoch: int, shards: int) -> bool:
    """Return whether everything exists; raise LogMismatch if shard count or epoch differ.

    The streams are declared first, then the queue, then the exchange of the epoch, then that of
    live events. No service has permissions on all of them: what a user may not see counts as
    existing.
    """
    if not await _streams_exist(connection, epoch, shards):
        return False
    if not await _unless_refused(queue_exists(connection, topology.DEAD), refused=True):
        return False
    exchanges = [topology.epoch_exchange(epoch)] if epoch else []
    for exchange in [*exchanges, topology.LIVE_EXCHANGE]:
        if not await _unless_refused(_exchange_exists(connection, exchange), refused=True):
            return False
    return True


async def _streams_exist(connection: AmqpConnection, epoch: int, shards: int) -> bool:
    """Return whether all streams exist; raise LogMismatch if shard count or epoch differ.

    They are declared from the last shard to the first. So if the first one exists all do, and if
    one of the others exists they are bound too.
    """
    later = await _last_begun(connection, epoch)
    if later > epoch:
        raise LogMismatch(f"RabbitMQ has epoch {later} of the log: set MADANG_LOG_EPOCH={later}")
    if await queue_exists(connection, stream_name(shards, epoch)):
        raise LogMismatch(f"RabbitMQ's log was made with more than {shards} shards")
    if not await queue_exists(connection, stream_name(0, epoch)):
        return False
    if not await queue_exists(connection, stream_name(shards - 1, epoch)):
        raise LogMismatch(f"RabbitMQ's log was made with fewer than {shards} shards")
    return True


async def _last_begun(connection: AmqpConnection, epoch: int) -> int:
    """Return the last of the epochs that were begun after `epoch`, one by one; else `epoch`."""
    while await was_begun(connection, epoch + 1):
        epoch += 1
    return epoch


async def was_begun(connection: AmqpConnection, epoch: int) -> bool:
    """Return whether `epoch` has a stream, or its exchange, which stays if they are deleted.

    Raise AmqpUnavailable if RabbitMQ does not tell.
    """
    if await queue_exists(connection, stream_name(0, epoch)):
        return True
    exchange = topology.epoch_exchange(epoch)
    return await _unless_refused(_exchange_exists(connection, exchange), refused=False)


async def _unless_refused(check: Awaitable[bool], *, refused: bool) -> bool:
    """Return the result of `check`, or `refused` if this user may not know it."""
    try:
        return await check
    except AmqpRefused:
        return refused


async def _raise_if_ended(connection: AmqpConnection, epoch: int, shards: int) -> None:
    """Raise LogMismatch if a stream of `epoch` has the marker.

    It must not be bound again: what is appended after the marker belongs to no log.
    """
    for shard in range(shards):
        stream = stream_name(shard, epoch)
        if await queue_exists(connection, stream) and await is_ended(connection, stream):
            raise LogMismatch(
                f"epoch {epoch} of the log has ended: set MADANG_LOG_EPOCH={epoch + 1}"
            )


async def _declare_queue(connection: AmqpConnection, queue: Queue) -> None:
    # An existing stream keeps its retention; only policies change it.
    exists = await queue_exists(connection, queue.name)
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
