"""Live notices over a RabbitMQ that dies, restarts or freezes: some are lost, none waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from madang_common import tasks
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.live.amqp import AmqpLive
from stack.servers import RabbitMQ
from tests.support.waiting import until

PATIENCE_SECONDS = 120

pytestmark = pytest.mark.timeout(400)


class Ear:
    """Listens for as long as the test runs."""

    def __init__(self, live: AmqpLive) -> None:
        self.heard: list[bytes] = []
        self.task = asyncio.create_task(self._listen(live))

    async def _listen(self, live: AmqpLive) -> None:
        async for lines in live.listen():
            self.heard += lines


class Voice:
    """Publishes numbered notices without pause, and records the longest publish."""

    def __init__(self, live: AmqpLive) -> None:
        self.said = 0
        self.longest_seconds = 0.0
        self.task = asyncio.create_task(self._talk(live))

    async def _talk(self, live: AmqpLive) -> None:
        while True:
            began = time.monotonic()
            live.publish(b"%d" % self.said)
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            self.said += 1
            await asyncio.sleep(0.01)


async def test_what_is_published_last_leaves_before_the_end(rabbitmq_vhost_url: str) -> None:
    listening = await AmqpLive.open(AmqpEndpoint.at(rabbitmq_vhost_url))
    ear = Ear(listening)
    while not await _receives(listening):  # noqa: ASYNC110 - the broker is asked
        await asyncio.sleep(0.01)

    for number in range(5):
        speaking = await AmqpLive.open(AmqpEndpoint.at(rabbitmq_vhost_url))
        speaking.publish(b"%d" % number)
        await speaking.close()

    await until(lambda: len(ear.heard) == 5)
    assert ear.heard == [b"0", b"1", b"2", b"3", b"4"]
    await listening.close()
    await tasks.stop(ear.task)


async def _receives(live: AmqpLive) -> bool:
    try:
        await live.ping()
    except ConnectionError:
        return False
    return True


class Harness:
    def __init__(self, speaking: AmqpLive, hearing: list[AmqpLive]) -> None:
        self.speaking = speaking
        self.hearing = hearing
        self.voice = Voice(speaking)
        self.ears = [Ear(live) for live in hearing for _ in range(2)]

    async def until_heard(self) -> None:
        """Return when every listener received a notice that was published after this call."""
        said = self.voice.said
        await until(lambda: all(e.heard and int(e.heard[-1]) > said for e in self.ears))

    def check(self) -> None:
        for ear in self.ears:
            numbers = [int(line) for line in ear.heard]
            assert numbers == sorted(set(numbers))
        assert self.voice.longest_seconds < 1

    async def stop(self) -> None:
        for task in [self.voice.task, *(ear.task for ear in self.ears)]:
            await tasks.stop(task)
        for live in [self.speaking, *self.hearing]:
            await live.close()


@pytest.fixture
def vhost(private_rabbitmq: RabbitMQ, request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{time.time_ns()}"


@pytest.fixture
async def harness(private_rabbitmq: RabbitMQ, vhost: str) -> AsyncIterator[Harness]:
    url = private_rabbitmq.create_vhost(vhost)
    harness = Harness(
        await AmqpLive.open(AmqpEndpoint.at(url)),
        [await AmqpLive.open(AmqpEndpoint.at(url)) for _ in range(2)],
    )
    await harness.until_heard()
    yield harness
    await harness.stop()


async def test_listening_goes_on_by_itself_after_a_crash(
    private_rabbitmq: RabbitMQ, harness: Harness
) -> None:
    await asyncio.to_thread(private_rabbitmq.kill)
    with pytest.raises(ConnectionError):
        await harness.speaking.ping()
    await asyncio.to_thread(private_rabbitmq.start)

    await harness.until_heard()

    harness.check()
    for live in harness.hearing:
        await live.ping()


async def test_listening_goes_on_after_the_broker_closed_the_connections(
    private_rabbitmq: RabbitMQ, harness: Harness, vhost: str
) -> None:
    await asyncio.to_thread(
        private_rabbitmq.rabbitmqctl, "close_all_connections", "--vhost", vhost, "maintenance"
    )

    await harness.until_heard()

    harness.check()


async def test_listening_goes_on_after_a_queue_was_deleted(
    private_rabbitmq: RabbitMQ, harness: Harness, vhost: str
) -> None:
    with private_rabbitmq.management() as client:
        queues = [queue["name"] for queue in client.get(f"/api/queues/{quote(vhost)}").json()]
    assert len(queues) == 2
    channel = await harness.hearing[0]._connection.channel()
    deleted = 0
    for queue in queues:
        try:
            await channel.queue_delete(queue)
        except Exception:  # noqa: BLE001 - the other process's own queue
            channel = await harness.hearing[0]._connection.channel()
        else:
            deleted += 1
    assert deleted == 1

    await harness.until_heard()

    harness.check()


async def test_a_frozen_broker_holds_nobody_up(
    private_rabbitmq: RabbitMQ, harness: Harness
) -> None:
    private_rabbitmq.pause()
    said = harness.voice.said
    with pytest.raises(ConnectionError):
        await harness.speaking.ping()
    await until(lambda: harness.voice.said > said + 100)
    private_rabbitmq.resume()

    await harness.until_heard()

    harness.check()


async def test_what_waits_is_bounded_and_the_newest_is_kept(rabbitmq_vhost_url: str) -> None:
    live = await AmqpLive.open(AmqpEndpoint.at(rabbitmq_vhost_url))
    ear = Ear(live)
    while not ear.heard:
        live.publish(b"0")
        await asyncio.sleep(0.01)
    live.publish(b"begin")
    await until(lambda: ear.heard[-1] == b"begin")
    ear.heard.clear()

    for n in range(5000):
        live.publish(b"%d " % n + b"x" * 1000)
    assert live._queued_bytes <= 1_048_576

    await until(lambda: bool(ear.heard) and ear.heard[-1].startswith(b"4999 "))
    numbers = [int(line.split()[0]) for line in ear.heard]
    assert numbers == list(range(numbers[0], 5000))
    assert 900 < len(numbers) < 1100
    await tasks.stop(ear.task)
    await live.close()


async def test_who_does_not_listen_has_no_queue(
    rabbitmq: RabbitMQ, rabbitmq_vhost_url: str
) -> None:
    live = await AmqpLive.open(AmqpEndpoint.at(rabbitmq_vhost_url))
    live.publish(b"a")
    await live.ping()

    with rabbitmq.management() as client:
        vhost = rabbitmq_vhost_url.rpartition("/")[2]
        assert client.get(f"/api/queues/{vhost}").json() == []
    await live.close()
