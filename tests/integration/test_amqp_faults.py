"""RabbitMQ is killed, stopped, paused: no acknowledged line is lost, and consumers miss none."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from madang_common import tasks
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Batch, LogBusy, LogError, LogUnavailable
from madang_common.log.publisher import Publisher
from stack.servers import RabbitMQ
from tests.support.publishing import publish

SHARDS = 2
PATIENCE_SECONDS = 120
PAUSE_SECONDS = 0.1
UNKNOWN_DELIVERY = 2**40
DECLARED_SECONDS = 2
"""RabbitMQ 3.10 notes half a second after its first stream that it has any, and writes bindings to
disk as late; a node that is killed before then does not find them again."""

pytestmark = pytest.mark.timeout(400)


class Reader:
    """Follows one shard over every failure, from the next offset on."""

    def __init__(self, log: AmqpLog, shard: int) -> None:
        self.seen: list[Batch] = []
        self.failures = 0
        self._log = log
        self._shard = shard
        self.task = asyncio.create_task(self._follow())

    @property
    def next(self) -> int:
        return self.seen[-1].offset + 1 if self.seen else 0

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(self._log.follow(self._shard, self.next)) as batches:
                    async for batch in batches:
                        assert batch.offset == self.next
                        self.seen.append(batch)
            except LogUnavailable:
                self.failures += 1
                await asyncio.sleep(PAUSE_SECONDS)


class Writer:
    """Publishes numbered lines without pause, and records the outcome of each."""

    def __init__(self, log: AmqpLog, name: str, *, timeout_seconds: float) -> None:
        self.confirmed: list[bytes] = []
        self.refused: list[bytes] = []
        self.longest_seconds = 0.0
        self._name = name
        self._publisher = Publisher(log, timeout_seconds=timeout_seconds)
        self._senders = [asyncio.create_task(self._send(n)) for n in range(8)]

    async def _send(self, sender: int) -> None:
        number = 0
        while True:
            line = b"%s-%d-%d" % (self._name.encode(), sender, number)
            number += 1
            began = time.monotonic()
            try:
                await publish(self._publisher, f"rooms.{sender}", line)
            except LogError:
                self.refused.append(line)
            else:
                self.confirmed.append(line)
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Stop publishing, and wait for the lines in flight."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.wait(self._senders)
        await self._publisher.close()


class Harness:
    """Two processes' logs on one broker, each writing and reading all the time."""

    def __init__(self, logs: list[AmqpLog], *, timeout_seconds: float) -> None:
        self.logs = logs
        self.writers = [
            Writer(log, f"w{n}", timeout_seconds=timeout_seconds) for n, log in enumerate(logs)
        ]
        self.readers = [[Reader(log, shard) for log in logs] for shard in range(SHARDS)]

    @property
    def confirmed(self) -> int:
        return sum(len(writer.confirmed) for writer in self.writers)

    @property
    def failures(self) -> int:
        return sum(reader.failures for readers in self.readers for reader in readers)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                for task in [reader.task for pair in self.readers for reader in pair]:
                    if task.done():
                        await task
                await asyncio.sleep(0.01)

    async def until_more(self, count: int = 100) -> None:
        """Return when all writers have so many more confirmed."""
        goals = [len(writer.confirmed) + count for writer in self.writers]
        await self.until(
            lambda: all(len(w.confirmed) >= g for w, g in zip(self.writers, goals, strict=True))
        )

    async def settle(self) -> None:
        """Stop publishing, wait until every line has arrived, and check the invariants."""
        await asyncio.gather(*(writer.stop() for writer in self.writers))
        in_log: list[bytes] = []
        for shard, readers in enumerate(self.readers):
            goal = await self.logs[0].end(shard)
            await self.until(lambda r=readers, g=goal: all(x.next >= g for x in r))  # type: ignore[misc]
            first, *others = readers
            assert all(other.seen == first.seen for other in others)
            in_log += [line for batch in first.seen for line in batch.lines]
        confirmed = [line for writer in self.writers for line in writer.confirmed]
        assert len(set(confirmed)) == len(confirmed)
        assert set(confirmed) <= set(in_log)

    async def stop(self) -> None:
        for readers in self.readers:
            for reader in readers:
                await tasks.stop(reader.task)
        await asyncio.gather(*(writer.stop() for writer in self.writers))
        await asyncio.gather(*(log.close() for log in self.logs))


Begin = Callable[..., Awaitable[Harness]]


@pytest.fixture
def vhost(private_rabbitmq: RabbitMQ, request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{time.time_ns()}"


@pytest.fixture
def url(private_rabbitmq: RabbitMQ, vhost: str) -> str:
    return private_rabbitmq.create_vhost(vhost)


@pytest.fixture
async def begin(url: str) -> AsyncIterator[Begin]:
    scenes: list[Harness] = []

    async def begin(*, timeout_seconds: float = 90) -> Harness:
        logs = [await AmqpLog.open(AmqpEndpoint.at(url), SHARDS) for _ in range(2)]
        scenes.append(Harness(logs, timeout_seconds=timeout_seconds))
        await scenes[0].until_more()
        await asyncio.sleep(DECLARED_SECONDS)
        return scenes[0]

    yield begin
    for harness in scenes:
        await harness.stop()


async def test_a_killed_broker_costs_nothing_that_was_acknowledged(
    private_rabbitmq: RabbitMQ, begin: Begin
) -> None:
    harness = await begin()

    for _ in range(2):
        await asyncio.to_thread(private_rabbitmq.kill)
        await asyncio.to_thread(private_rabbitmq.start)
        await harness.until_more()

    await harness.settle()
    assert not any(writer.refused for writer in harness.writers)
    assert all(reader.failures for readers in harness.readers for reader in readers)


async def test_sends_wait_for_a_broker_that_is_away_for_ten_seconds(
    private_rabbitmq: RabbitMQ, begin: Begin
) -> None:
    harness = await begin()

    await asyncio.to_thread(private_rabbitmq.stop)
    stopped = harness.confirmed
    await asyncio.sleep(10)
    assert harness.confirmed == stopped
    await asyncio.to_thread(private_rabbitmq.start)
    await harness.until_more()

    await harness.settle()
    assert not any(writer.refused for writer in harness.writers)
    assert max(writer.longest_seconds for writer in harness.writers) > 10


async def test_sends_are_refused_in_time_while_the_broker_is_away(
    private_rabbitmq: RabbitMQ, begin: Begin
) -> None:
    harness = await begin(timeout_seconds=2)

    await asyncio.to_thread(private_rabbitmq.stop)
    stopped = harness.confirmed
    await harness.until(lambda: all(len(writer.refused) >= 8 for writer in harness.writers))
    with pytest.raises(LogUnavailable):
        await harness.logs[0].ping()
    with pytest.raises(LogUnavailable):
        await harness.logs[0].end(0)
    assert harness.confirmed == stopped
    assert not harness.logs[0].connected
    await asyncio.to_thread(private_rabbitmq.start)
    await harness.until_more()
    await harness.until(lambda: all(log.connected for log in harness.logs))

    await harness.settle()
    # Each event waits for its own time, whatever was under way before it.
    assert max(writer.longest_seconds for writer in harness.writers) < 2 + 2
    await harness.logs[0].ping()


async def test_what_may_wait_is_bounded(private_rabbitmq: RabbitMQ, url: str) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(url), 1)
    publisher = Publisher(log, waiting_bytes=10_000, timeout_seconds=90)
    await asyncio.sleep(DECLARED_SECONDS)
    await asyncio.to_thread(private_rabbitmq.kill)
    outcomes: list[LogError | None] = []
    publisher.append("a", b"under way", outcomes.append)
    await asyncio.sleep(0)

    for _ in range(10):
        publisher.append("a", b"x" * 1000, outcomes.append)
    with pytest.raises(LogBusy):
        publisher.append("a", b"x" * 1000, outcomes.append)
    await asyncio.to_thread(private_rabbitmq.start)
    await publisher.close()

    assert outcomes == [None] * 11
    assert await log.end(0) >= 2
    await log.close()


async def test_connections_that_the_broker_closes_are_made_anew(
    private_rabbitmq: RabbitMQ, begin: Begin, vhost: str
) -> None:
    harness = await begin()

    for _ in range(2):
        await asyncio.to_thread(
            private_rabbitmq.rabbitmqctl, "close_all_connections", "--vhost", vhost, "maintenance"
        )
        await harness.until_more()

    await harness.settle()
    assert not any(writer.refused for writer in harness.writers)
    assert all(reader.failures for readers in harness.readers for reader in readers)


async def test_a_closed_channel_costs_the_appends_on_it_no_certainty(begin: Begin) -> None:
    harness = await begin()
    before = harness.failures  # a new stream may not answer at once

    for log in harness.logs:
        for _ in range(5):
            channel = await log._sender._open_channel()
            await channel.basic_ack(UNKNOWN_DELIVERY)  # RabbitMQ closes the channel for it
            await harness.until(lambda closed=channel: closed.is_closed)  # type: ignore[misc]
            await harness.until_more(10)

    await harness.settle()
    assert not any(writer.refused for writer in harness.writers)
    assert harness.failures == before


async def test_a_frozen_broker_is_noticed(private_rabbitmq: RabbitMQ, begin: Begin) -> None:
    harness = await begin(timeout_seconds=3)
    log = harness.logs[0]

    private_rabbitmq.pause()
    frozen = harness.confirmed
    began = time.monotonic()
    with pytest.raises(LogUnavailable):
        await log.ping()
    with pytest.raises(LogUnavailable):
        await log.end(0)
    assert time.monotonic() - began < 12
    readers = [reader for pair in harness.readers for reader in pair]
    await harness.until(lambda: all(reader.failures for reader in readers))
    assert time.monotonic() - began < 30
    await harness.until(lambda: all(len(writer.refused) >= 8 for writer in harness.writers))
    private_rabbitmq.resume()
    await harness.until_more()

    await harness.settle()
    # What was sent into the frozen connection may have been confirmed in the end, at most.
    assert harness.confirmed > frozen


async def test_a_broker_that_freezes_briefly_costs_nothing(
    private_rabbitmq: RabbitMQ, begin: Begin
) -> None:
    harness = await begin()

    private_rabbitmq.pause()
    await asyncio.sleep(3)
    private_rabbitmq.resume()
    await harness.until_more()

    await harness.settle()
    assert not any(writer.refused for writer in harness.writers)
    assert not any(reader.failures for readers in harness.readers for reader in readers)


async def test_a_broker_short_of_memory_refuses_sends_and_is_still_read(
    private_rabbitmq: RabbitMQ, begin: Begin
) -> None:
    harness = await begin(timeout_seconds=2)

    try:
        await asyncio.to_thread(
            private_rabbitmq.rabbitmqctl, "set_vm_memory_high_watermark", "absolute", "1MB"
        )
        await harness.until(lambda: all(len(writer.refused) >= 8 for writer in harness.writers))
        end_of_log = await harness.logs[0].end(0)
        await harness.until(lambda: all(reader.next >= end_of_log for reader in harness.readers[0]))
    finally:
        await asyncio.to_thread(
            private_rabbitmq.rabbitmqctl, "set_vm_memory_high_watermark", "absolute", "1GB"
        )
    await harness.until_more()

    await harness.settle()
    assert not any(reader.failures for readers in harness.readers for reader in readers)


async def test_cancelled_appends_leave_the_log_usable(url: str) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(url), 1)

    for turn in range(200):
        append = asyncio.create_task(log.append(0, (b"%d" % turn,)))
        for _ in range(turn % 20):
            await asyncio.sleep(0)
        append.cancel()
    await log.append(0, (b"last",))

    seen: list[bytes] = []
    async with aclosing(log.follow(0, 0)) as batches, asyncio.timeout(PATIENCE_SECONDS):
        async for batch in batches:
            seen += batch.lines
            if batch.lines == (b"last",):
                break
    assert len(set(seen)) == len(seen)
    assert await log.end(0) == len(seen)
    await log.close()
