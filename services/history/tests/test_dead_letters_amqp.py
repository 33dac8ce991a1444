import asyncio

import pytest
from aio_pika import connect

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.position import to_id
from madang_common.log.topology import DEAD
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetter, DeadLettersUnavailable
from stack.servers import RabbitMQ

DEAD_LINE = DeadLetter(2, 4097, b"\xff poison", "unexpected character")


@pytest.fixture
async def url(rabbitmq_vhost_url: str) -> str:
    await (await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 1)).close()
    return rabbitmq_vhost_url


async def test_rabbitmqs_own_tools_show_a_dead_letter(url: str) -> None:
    dead_letters = AmqpDeadLetters.at(AmqpEndpoint.at(url))
    await dead_letters.add(DEAD_LINE)
    await dead_letters.close()

    async with await connect(url) as connection:
        queue = await (await connection.channel()).get_queue(DEAD)
        message = await queue.get()

    assert message.body == DEAD_LINE.line
    expected = {"shard": 2, "position": to_id(4097), "reason": "unexpected character"}
    assert expected.items() <= dict(message.headers).items()


async def test_without_the_queue_adding_fails(rabbitmq_vhost_url: str) -> None:
    dead_letters = AmqpDeadLetters.at(AmqpEndpoint.at(rabbitmq_vhost_url))

    async def look(dead: DeadLetter) -> bool:
        return True

    with pytest.raises(DeadLettersUnavailable):
        await dead_letters.add(DEAD_LINE)
    with pytest.raises(DeadLettersUnavailable):
        await dead_letters.visit(look, most=1)
    await dead_letters.close()


async def test_dead_letters_survive_a_crash_of_the_broker(private_rabbitmq: RabbitMQ) -> None:
    await (await AmqpLog.open(AmqpEndpoint.at(private_rabbitmq.url), 1)).close()
    dead_letters = AmqpDeadLetters.at(AmqpEndpoint.at(private_rabbitmq.url))
    found: list[DeadLetter] = []

    async def take(dead: DeadLetter) -> bool:
        found.append(dead)
        return True

    # RabbitMQ 3.10 may lose a queue that was declared seconds before a kill.
    await asyncio.to_thread(private_rabbitmq.restart)
    await dead_letters.add(DEAD_LINE)
    await asyncio.to_thread(private_rabbitmq.kill)
    with pytest.raises(DeadLettersUnavailable):
        await dead_letters.add(DEAD_LINE)
    await asyncio.to_thread(private_rabbitmq.start)
    async with asyncio.timeout(60):
        while not found:
            try:
                await dead_letters.visit(take, most=10)
            except DeadLettersUnavailable:
                continue

    assert found == [DEAD_LINE]
    await dead_letters.close()
