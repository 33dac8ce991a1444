"""Epochs in RabbitMQ: the markers, and logs whose streams vanish or end earlier than before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpUnavailable
from madang_common.amqp.stream import Message, newest_message
from madang_common.log import amqp, declare, ending, topology
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import (
    Batch,
    LogEnded,
    LogError,
    LogLost,
    LogMismatch,
    LogUnavailable,
    Retention,
)
from madang_common.log.topology import stream_name
from tests.support.logs import read

SHARDS = 2
PATIENCE_SECONDS = 30


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """End epochs without the pause for a cluster; tolerate a shorter lag."""
    monkeypatch.setattr(ending, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(amqp, "_LAG_SECONDS", 1.0)


@pytest.fixture
def endpoint(rabbitmq_vhost_url: str) -> AmqpEndpoint:
    return AmqpEndpoint.at(rabbitmq_vhost_url)


@asynccontextmanager
async def opened(
    endpoint: AmqpEndpoint, epoch: int = 0, shards: int = SHARDS
) -> AsyncIterator[AmqpLog]:
    log = await AmqpLog.open(endpoint, shards, epoch=epoch)
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
async def channel(rabbitmq_vhost_url: str) -> AsyncIterator[AbstractChannel]:
    """Give a channel of the administrator."""
    connection = await aio_pika.connect(rabbitmq_vhost_url)
    async with connection, connection.channel() as opened_channel:
        yield opened_channel


async def error_of(log: AmqpLog, shard: int, start: int) -> LogError:
    """Return the error with which following ends, over passing failures."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with aclosing(log.follow(shard, start)) as batches:
                    async for batch in batches:
                        start = batch.offset + 1
            except LogUnavailable:
                await asyncio.sleep(0.05)
            except LogError as error:
                return error


async def append_until(log: AmqpLog, shard: int) -> LogError:
    """Append until that fails, over passing failures; return the error."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await log.append(shard, (b"a",))
            except LogUnavailable:
                await asyncio.sleep(0.05)
            except LogError as error:
                return error


async def test_streams_that_vanish_are_lost_to_readers_and_writers(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"a",))
        following = [asyncio.create_task(error_of(log, shard, 0)) for shard in range(SHARDS)]
        appending = [asyncio.create_task(append_until(log, shard)) for shard in range(SHARDS)]
        await read(log, 0, 3, 1)

        for shard in range(SHARDS):
            await channel.queue_delete(stream_name(shard))

        for error in await asyncio.gather(*following, *appending):
            assert isinstance(error, LogLost)
            assert "madang.log." in str(error)
        for shard in range(SHARDS):
            with pytest.raises(LogLost):
                await log.end(shard)
        with pytest.raises(LogLost):
            await log.ping()


async def test_an_exchange_that_vanishes_is_lost_to_writers(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"a",))

        await channel.exchange_delete(topology.LOG)

        assert isinstance(await append_until(log, 0), LogLost)


async def test_a_new_log_in_the_same_epoch_is_not_taken_for_the_lost_one(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    async with opened(endpoint) as log:
        for _ in range(3):
            await log.append(0, (b"old",))
        await read(log, 0, 0, 3)
        await channel.queue_delete(stream_name(0))
        await channel.queue_delete(stream_name(1))

        async with opened(endpoint) as new:
            await new.append(0, (b"new",))

            with pytest.raises(LogLost, match="ends at 1, before 3"):
                await log.end(0)
            assert isinstance(await error_of(log, 0, 3), LogLost)
            await new.append(0, (b"new",))
            with pytest.raises(LogLost, match="ends at 2, before 3"):
                await anext(log.follow(0, 0))
            # The same log again, as far as this process can tell.
            await new.append(0, (b"new",))
            assert await log.end(0) == 3


async def test_an_emptied_log_is_lost(endpoint: AmqpEndpoint, channel: AbstractChannel) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"old",))
        await channel.queue_delete(stream_name(0))
        await channel.queue_delete(stream_name(1))

        async with opened(endpoint):
            with pytest.raises(LogLost, match="ends at 0, before 1"):
                await log.end(0)


async def test_a_replica_may_lag_for_a_moment(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "_LAG_SECONDS", 20.0)
    async with opened(endpoint) as log, opened(endpoint) as other:
        await log.append(0, (b"a",))
        log._reached[0] = 3
        asking = asyncio.create_task(log.end(0))
        following = asyncio.create_task(error_or_next(log))
        await asyncio.wait([asking, following], timeout=0.7)
        assert not asking.done()
        assert not following.done()

        await other.append(0, (b"b",))
        await other.append(0, (b"c",))

        assert await asking == 3
        assert await following == Batch(2, (b"c",))


async def error_or_next(log: AmqpLog) -> Batch:
    async with aclosing(log.follow(0, 2)) as batches:
        return await anext(batches)


async def test_nothing_after_the_marker_belongs_to_the_log(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"a",))
        async with opened(endpoint, 1):
            late = aio_pika.Message(b"late")
            await channel.default_exchange.publish(late, stream_name(0))

            error = await error_of(log, 0, 0)

    assert isinstance(error, LogEnded)
    assert error.end == 1


async def test_a_lost_binding_ends_no_epoch_and_is_made_again(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    """RabbitMQ 3.10 may lose one that was made in the second before it is killed."""
    async with opened(endpoint) as log:
        await log.append(0, (b"a",))
        stream = await channel.get_queue(stream_name(0))
        await stream.unbind(topology.LOG, topology.routing_key(0))

        with pytest.raises(LogUnavailable, match=r"madang\.log\.0 has no binding"):
            await log.append(0, (b"b",))

        again = await AmqpLog.open(endpoint, SHARDS, declare_even_if_exists=True)
        await again.close()
        await log.append(0, (b"b",))
        assert await read(log, 0, 0, 2) == [Batch(0, (b"a",)), Batch(1, (b"b",))]


async def test_an_ended_epoch_is_not_bound_again(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(endpoint) as log:
        with monkeypatch.context() as patch:
            patch.setattr(topology, "queues", fail_with_power_cut)
            with pytest.raises(KeyError):
                await AmqpLog.open(endpoint, SHARDS, epoch=1)

        with pytest.raises(LogMismatch, match="MADANG_LOG_EPOCH=1"):
            await AmqpLog.open(endpoint, SHARDS, declare_even_if_exists=True)

        with pytest.raises(LogUnavailable):
            await log.append(0, (b"a",))
        async with opened(endpoint, 1):
            with pytest.raises(LogEnded):
                await log.append(0, (b"a",))


def fail_with_power_cut(*_: object) -> list[topology.Queue]:
    raise KeyError("the power is gone")


async def test_an_empty_line_is_no_marker(endpoint: AmqpEndpoint) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"",))
        await log.append(0, (b"a",))

        assert await read(log, 0, 0, 2) == [Batch(0, (b"",)), Batch(1, (b"a",))]


async def test_an_end_that_was_left_half_made_is_finished(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(endpoint, shards=3) as log:
        await log.append(2, (b"a",))
        for failing in (ending._unbind, ending._send_marker):
            calls = 0

            async def fail_second(*arguments: object, failing: object = failing) -> None:
                nonlocal calls
                calls += 1
                if calls == 2:
                    raise KeyError("the power is gone")
                await failing(*arguments)  # type: ignore[operator]

            with monkeypatch.context() as patch:
                patch.setattr(ending, failing.__name__, fail_second)
                with pytest.raises(KeyError):
                    await AmqpLog.open(endpoint, SHARDS, epoch=1)

        async with opened(endpoint, 1, shards=6) as new:
            for shard in range(6):
                await new.append(shard, (b"b",))
        ends = [await error_of(log, shard, 0) for shard in range(3)]

    assert all(isinstance(end, LogEnded) for end in ends)
    assert [end.end for end in ends if isinstance(end, LogEnded)] == [0, 0, 1]


async def test_an_epoch_that_was_left_half_made_is_finished(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(endpoint):
        pass
    declare_queue = declare._declare_queue

    async def declare_unbound(connection: AmqpConnection, queue: topology.Queue) -> None:
        if queue.name == stream_name(0, 1):
            await declare_queue(connection, topology.Queue(queue.name, queue.arguments))
            raise KeyError("the power is gone")
        await declare_queue(connection, queue)

    with monkeypatch.context() as patch:
        patch.setattr(declare, "_declare_queue", declare_unbound)
        with pytest.raises(KeyError):
            await AmqpLog.open(endpoint, SHARDS, epoch=1)

    async with opened(endpoint, 1) as log:
        await log.append(0, (b"a",))
        assert len(await read(log, 0, "first", 1)) == 1


async def test_what_is_left_of_an_epoch_is_ended(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    async with opened(endpoint, shards=3) as log:
        for shard in range(3):
            await log.append(shard, (b"a",))
        await channel.queue_delete(stream_name(0))

        async with opened(endpoint, 1, shards=3):
            old = await AmqpLog.open_existing(endpoint, 3, epoch=0)

            assert old is not None
            errors = [await error_of(old, shard, 0) for shard in range(3)]
            with pytest.raises(LogLost):
                await old.end(0)
            await old.close()

    assert [type(error) for error in errors] == [LogLost, LogEnded, LogEnded]


async def test_a_stream_that_cannot_be_ended_is_named(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bool:
        raise AmqpUnavailable("no answer in time")

    async with opened(endpoint):
        monkeypatch.setattr(ending, "is_ended", fail)
        with pytest.raises(LogUnavailable, match=r"madang\.log\.0 cannot be ended: no answer"):
            await AmqpLog.open(endpoint, SHARDS, epoch=1, patience_seconds=0.5)


async def test_an_epoch_whose_successor_was_deleted_does_not_start(
    endpoint: AmqpEndpoint, channel: AbstractChannel
) -> None:
    for epoch in range(3):
        async with opened(endpoint, epoch):
            pass
    for shard in range(SHARDS):
        await channel.queue_delete(stream_name(shard, 1))

    for opening in (AmqpLog.open, AmqpLog.open_current):
        with pytest.raises(LogMismatch, match="MADANG_LOG_EPOCH=2"):
            await opening(endpoint, SHARDS, epoch=0)


async def test_a_log_that_grows_during_a_request_is_not_lost(
    endpoint: AmqpEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(endpoint) as log:
        await log.append(0, (b"a",))

        async def newest_before_another(connection: AmqpConnection, stream: str) -> Message | None:
            newest = await newest_message(connection, stream)
            await log.append(0, (b"b",))
            log._reached[0] += 1  # as a reader of it does
            return newest

        monkeypatch.setattr(amqp, "newest_message", newest_before_another)

        assert await log.end(0) == 1
        assert log._reached[0] == 2


async def test_many_may_begin_an_epoch_at_once(endpoint: AmqpEndpoint) -> None:
    async with opened(endpoint) as old:
        await old.append(0, (b"a",))
        logs = await asyncio.gather(
            *(AmqpLog.open(endpoint, SHARDS, epoch=1, retention=Retention()) for _ in range(5))
        )
        for log in logs:
            await log.append(0, (b"b",))
        assert len(await read(logs[0], 0, "first", 5)) == 5
        await asyncio.gather(*(log.close() for log in logs))

        ended = await error_of(old, 0, 0)
        assert isinstance(ended, LogEnded)
        assert ended.end == 1
        with contextlib.suppress(LogMismatch):
            await AmqpLog.open(endpoint, SHARDS)
            raise AssertionError("the epoch before started")
