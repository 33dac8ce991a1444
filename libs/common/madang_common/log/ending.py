"""Ends epochs of the log in RabbitMQ, before a later one is declared.

For each stream: its binding is removed, so that appends are returned and never confirmed; then the
marker is sent, an empty message of type `madang.end`. Nothing after the first marker belongs to the
log. A repeated run finds the marker and changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import structlog

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.errors import AmqpNotFound, AmqpUnavailable, answer_within, unavailable
from madang_common.amqp.sender import Sender
from madang_common.amqp.stream import newest_message
from madang_common.log.topology import END, LOG, routing_key, stream_name

log = structlog.get_logger()

_ANSWER_SECONDS = 10.0
_SETTLE_SECONDS = 1.0
"""Pause before the markers: nodes of a cluster learn of a removed binding one after another, and
what they have routed already must come before the marker."""


async def end_epochs_before(
    connection: AmqpConnection, epoch: int, *, least_shards: int = 1
) -> None:
    """End every stream of the epochs before `epoch` that exists.

    A stream that was lost is passed over if its shard is below `least_shards`; the first one
    missing from there on counts as the end of its epoch. Raise AmqpUnavailable, which names the
    stream, if one cannot be ended.
    """
    open_streams: list[tuple[int, int]] = []
    for former in range(epoch):
        async for shard in existing_shards(connection, former, least_shards):
            async with _naming(stream_name(shard, former)):
                if not await is_ended(connection, stream_name(shard, former)):
                    await _unbind(connection, shard, former)
                    open_streams.append((shard, former))
    if not open_streams:
        return
    await asyncio.sleep(_SETTLE_SECONDS)
    sender = Sender(connection)
    for shard, former in open_streams:
        async with _naming(stream_name(shard, former)):
            await _send_marker(connection, sender, shard, former)
    log.info("epochs_ended", before=epoch, streams=len(open_streams))


async def queue_exists(connection: AmqpConnection, queue: str) -> bool:
    """Return whether RabbitMQ has `queue`; raise AmqpUnavailable if it does not tell."""
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_declare(queue, passive=True)
    except AmqpNotFound:
        return False
    finally:
        connection.release(channel)
    return True


async def is_ended(connection: AmqpConnection, stream: str) -> bool:
    """Return whether the last message of `stream` is the marker."""
    newest = await newest_message(connection, stream)
    return newest is not None and newest.type == END


async def existing_shards(
    connection: AmqpConnection, epoch: int, least_shards: int
) -> AsyncIterator[int]:
    """Yield the shards of `epoch` that exist, up to the first missing one from `least_shards`."""
    for shard in count():
        if await queue_exists(connection, stream_name(shard, epoch)):
            yield shard
        elif shard >= least_shards:
            return


async def _unbind(connection: AmqpConnection, shard: int, epoch: int) -> None:
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_unbind(stream_name(shard, epoch), LOG, routing_key(shard, epoch))
    finally:
        connection.release(channel)


async def _send_marker(connection: AmqpConnection, sender: Sender, shard: int, epoch: int) -> None:
    """Send the marker over a binding of its own.

    The default exchange would need a permission beyond names that begin with `madang.`.
    """
    stream, key = stream_name(shard, epoch), f"{END}.{routing_key(shard, epoch)}"
    channel = await connection.channel()
    try:
        with unavailable():
            await channel.queue_bind(stream, LOG, key)
        await sender.send(LOG, key, b"", content_type="text/plain", message_type=END)
        with unavailable():
            await channel.queue_unbind(stream, LOG, key)
    finally:
        connection.release(channel)


@asynccontextmanager
async def _naming(stream: str) -> AsyncIterator[None]:
    """Name `stream` in an error; one whose data is lost may not answer at all."""
    try:
        async with answer_within(_ANSWER_SECONDS):
            yield
    except AmqpUnavailable as error:
        raise AmqpUnavailable(
            f"{stream} cannot be ended: {error}; delete it if its data is lost"
        ) from error
