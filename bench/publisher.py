"""No gateway at all: single messages into a stream, each of them confirmed.

`python -m bench.publisher URL IN_FLIGHT WARM_UP_SECONDS SECONDS` prints confirms per second.
"""

import asyncio
import sys

import aio_pika
from aio_pika.abc import AbstractExchange

from bench.targets.port import TEXT

_STREAM = "bench"
_BODY = f'{{"kind":"message.created","room":"bench","data":{{"text":"{TEXT}"}}}}'.encode()


class Publisher:
    """Keeps a number of messages unconfirmed, and counts the confirms."""

    def __init__(self, exchange: AbstractExchange) -> None:
        self._exchange = exchange
        self.confirmed = 0

    async def publish(self) -> None:
        """Publish one after the other until cancelled."""
        message = aio_pika.Message(_BODY, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        while True:
            await self._exchange.publish(message, _STREAM)
            self.confirmed += 1


async def measure(url: str, in_flight: int, warm_up: float, seconds: float) -> float:
    """Return confirms per second."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(_STREAM, durable=True, arguments={"x-queue-type": "stream"})
        publisher = Publisher(channel.default_exchange)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(publisher.publish()) for _ in range(in_flight)]
            await asyncio.sleep(warm_up)
            loop = asyncio.get_running_loop()
            first, began = publisher.confirmed, loop.time()
            await asyncio.sleep(seconds)
            rate = (publisher.confirmed - first) / (loop.time() - began)
            for task in tasks:
                task.cancel()
    return rate


if __name__ == "__main__":
    amqp_url, count, *times = sys.argv[1:]
    print(asyncio.run(measure(amqp_url, int(count), *map(float, times))))
