"""Madang's topology in RabbitMQ: declared by a user that may, for users that may not."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aio_pika
import pytest

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.amqp.errors import AmqpRefused
from madang_common.live.amqp import AmqpLive
from madang_common.log import declare, topology
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Batch, LogLost, LogMismatch, LogUnavailable, Retention
from madang_common.log.topology import Permissions
from stack.servers import RabbitMQ

SHARDS = 2
PATIENCE_SECONDS = 30
KEPT = Retention()
ALL_OF_MADANG = Permissions(r"^madang\.", r"^madang\.", r"^madang\.")

Users = Callable[[Permissions], str]


def vhost_of(url: str) -> str:
    return unquote(urlsplit(url).path[1:])


@pytest.fixture
def users(rabbitmq: RabbitMQ, rabbitmq_vhost_url: str) -> Iterator[Users]:
    """Yield a function that creates a user with these permissions and returns their URL."""
    made: list[str] = []

    def make(permissions: Permissions) -> str:
        name, password = f"user-{secrets.token_hex(4)}", secrets.token_hex(8)
        with rabbitmq.management() as client:
            client.put(f"/api/users/{name}", json={"password": password, "tags": ""})
            made.append(name)
            client.put(
                f"/api/permissions/{vhost_of(rabbitmq_vhost_url)}/{name}",
                json={
                    "configure": permissions.configure,
                    "write": permissions.write,
                    "read": permissions.read,
                },
            ).raise_for_status()
        parts = urlsplit(rabbitmq_vhost_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))

    yield make
    with rabbitmq.management() as client:
        for name in made:
            client.delete(f"/api/users/{name}").raise_for_status()


def without_vhosts(definitions: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        kind: sorted(
            ({k: v for k, v in item.items() if k != "vhost"} for item in definitions[kind]), key=str
        )
        for kind in ("exchanges", "queues", "bindings")
    }


def expected_definitions(shards: int) -> dict[str, Any]:
    """Return the topology in the form of RabbitMQ's own export."""
    queues = topology.queues(shards, KEPT)
    return without_vhosts(
        {
            "exchanges": [
                {
                    "name": exchange.name,
                    "type": exchange.type,
                    "durable": True,
                    "auto_delete": False,
                    "internal": False,
                    "arguments": {},
                }
                for exchange in topology.EXCHANGES
            ],
            "queues": [
                {
                    "name": queue.name,
                    "durable": True,
                    "auto_delete": False,
                    "arguments": queue.arguments,
                }
                for queue in queues
            ],
            "bindings": [
                {
                    "source": topology.LOG,
                    "destination": queue.name,
                    "destination_type": "queue",
                    "routing_key": key,
                    "arguments": {},
                }
                for queue in queues
                for key in queue.keys
            ],
        }
    )


async def declare_as_setup(users: Users) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(users(topology.SETUP)), SHARDS, retention=KEPT)
    await log.close()


def found_definitions(rabbitmq: RabbitMQ, url: str) -> dict[str, Any]:
    with rabbitmq.management() as client:
        return without_vhosts(client.get(f"/api/definitions/{vhost_of(url)}").json())


async def test_code_declares_the_topology(rabbitmq: RabbitMQ, rabbitmq_vhost_url: str) -> None:
    await (await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS, retention=KEPT)).close()

    expected = expected_definitions(SHARDS)
    assert found_definitions(rabbitmq, rabbitmq_vhost_url) == expected


async def test_the_topology_of_another_user_is_used_and_checked(
    rabbitmq: RabbitMQ, rabbitmq_vhost_url: str, users: Users
) -> None:
    await declare_as_setup(users)
    with pytest.raises(LogMismatch):
        await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS + 1)
    with pytest.raises(LogMismatch):
        await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS - 1)

    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)

    await log.append(1, (b"a",))
    assert await log.end(1) == 1
    await log.close()
    expected = expected_definitions(SHARDS)
    assert found_definitions(rabbitmq, rabbitmq_vhost_url) == expected


async def test_each_service_manages_with_its_own_permissions(users: Users) -> None:
    await declare_as_setup(users)
    urls = {service: users(needed) for service, needed in topology.PERMISSIONS.items()}
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_SECONDS):
        logs: dict[str, AmqpLog] = {}
        for service in ("gateway", "rooms", "history"):
            logs[service] = await AmqpLog.open(AmqpEndpoint.at(urls[service]), SHARDS)
            stack.push_async_callback(logs[service].close)
        auth, gateway = [
            await AmqpLive.open(AmqpEndpoint.at(urls[name])) for name in ("auth", "gateway")
        ]
        stack.push_async_callback(auth.close)
        stack.push_async_callback(gateway.close)

        await logs["rooms"].append(0, (b"joined",))
        await logs["gateway"].append(0, (b"hello",))
        for service in ("gateway", "history"):
            assert await logs[service].end(0) == 2
            async with aclosing(logs[service].follow(0, 0)) as batches:
                assert await anext(batches) == Batch(0, (b"joined",))
        notices = await stack.enter_async_context(aclosing(gateway.listen()))
        hearing = asyncio.ensure_future(anext(notices))
        while not hearing.done():
            auth.publish(b"logged out")
            await asyncio.sleep(0.01)
        assert b"logged out" in await hearing
        await auth.ping()
        await gateway.ping()


async def test_who_may_not_do_something_is_told(users: Users) -> None:
    await declare_as_setup(users)
    history = await AmqpLog.open(AmqpEndpoint.at(users(topology.PERMISSIONS["history"])), SHARDS)
    rooms = await AmqpLog.open(AmqpEndpoint.at(users(topology.PERMISSIONS["rooms"])), SHARDS)

    with pytest.raises(LogUnavailable, match="ACCESS_REFUSED"):
        await history.append(0, (b"forged",))
    with pytest.raises(LogUnavailable, match="ACCESS_REFUSED"):
        await rooms.end(0)
    with pytest.raises(LogUnavailable, match="ACCESS_REFUSED"):
        await anext(rooms.follow(0, 0))
    # A refusal costs nothing else.
    await rooms.append(0, (b"joined",))
    assert await history.end(0) == 1

    await history.close()
    await rooms.close()


async def test_a_user_without_rights_cannot_make_the_log(users: Users) -> None:
    url = users(topology.PERMISSIONS["gateway"])

    with pytest.raises(LogUnavailable, match="ACCESS_REFUSED"):
        await AmqpLog.open(AmqpEndpoint.at(url), SHARDS, patience_seconds=1)
    with pytest.raises(AmqpRefused):
        await AmqpLive.open(AmqpEndpoint.at(url), patience_seconds=1)


async def test_a_user_without_rights_waits_until_the_log_is_made(users: Users) -> None:
    rooms = asyncio.create_task(
        AmqpLog.open(AmqpEndpoint.at(users(topology.PERMISSIONS["rooms"])), SHARDS)
    )
    auth = asyncio.create_task(AmqpLive.open(AmqpEndpoint.at(users(topology.PERMISSIONS["auth"]))))
    # Both were refused at least once.
    await asyncio.wait([rooms, auth], timeout=1)
    assert not rooms.done()
    assert not auth.done()

    await declare_as_setup(users)

    async with asyncio.timeout(PATIENCE_SECONDS):
        log, live = await rooms, await auth
    await log.append(0, (b"joined",))
    await log.close()
    await live.close()


async def test_names_that_begin_with_madang_are_enough_to_make_it_and_to_use_it(
    users: Users,
) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(users(ALL_OF_MADANG)), SHARDS)

    await log.append(1, (b"a",))

    assert await log.end(1) == 1
    await log.close()


async def test_many_may_start_first_at_once(rabbitmq: RabbitMQ, rabbitmq_vhost_url: str) -> None:
    logs = await asyncio.gather(
        *(AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS) for _ in range(8))
    )

    for n, log in enumerate(logs):
        await log.append(n % SHARDS, (b"%d" % n,))
    assert [await logs[0].end(shard) for shard in range(SHARDS)] == [4, 4]
    await asyncio.gather(*(log.close() for log in logs))
    expected = expected_definitions(SHARDS)
    assert found_definitions(rabbitmq, rabbitmq_vhost_url) == expected


@pytest.mark.parametrize("attempt", range(3))
async def test_of_those_who_start_first_with_other_shards_one_number_wins(
    rabbitmq: RabbitMQ, rabbitmq_vhost_url: str, attempt: int
) -> None:
    wanted = [2, 3, 2, 3, 1, 3, 1, 2]

    opened = await asyncio.gather(
        *(AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), shards) for shards in wanted),
        return_exceptions=True,
    )

    logs = [log for log in opened if isinstance(log, AmqpLog)]
    (won,) = {log.shards for log in logs}
    assert len(logs) == wanted.count(won)
    assert sum(isinstance(refused, LogMismatch) for refused in opened) == len(wanted) - len(logs)
    await asyncio.gather(*(log.close() for log in logs))
    expected = expected_definitions(won)
    assert found_definitions(rabbitmq, rabbitmq_vhost_url) == expected


@contextmanager
def dying_after(declared: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the declaration fail after so many queues, before the next one is bound."""
    declare_queue = declare._declare_queue
    left = declared

    async def declare_or_die(connection: AmqpConnection, queue: topology.Queue) -> None:
        nonlocal left
        if left == 0:
            await declare_queue(connection, topology.Queue(queue.name, queue.arguments))
            raise KeyError("the power is gone")
        left -= 1
        await declare_queue(connection, queue)

    with monkeypatch.context() as patch:
        patch.setattr(declare, "_declare_queue", declare_or_die)
        yield


@pytest.mark.parametrize("declared", range(4))
async def test_what_was_left_half_made_is_finished(
    rabbitmq: RabbitMQ, rabbitmq_vhost_url: str, monkeypatch: pytest.MonkeyPatch, declared: int
) -> None:
    with dying_after(declared, monkeypatch), pytest.raises(KeyError):
        await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 3)

    with pytest.raises(LogMismatch):
        await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 2)
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), 3)

    for shard in range(3):
        await log.append(shard, (b"a",))
    await log.close()
    expected = expected_definitions(3)
    assert found_definitions(rabbitmq, rabbitmq_vhost_url) == expected


async def test_a_log_that_was_deleted_is_not_made_anew_by_who_uses_it(
    rabbitmq_vhost_url: str,
) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
    await log.append(0, (b"a",))
    connection = await aio_pika.connect(rabbitmq_vhost_url)
    channel = await connection.channel()
    following = log.follow(0, 0)
    await anext(following)

    await channel.queue_delete(topology.stream_name(0))

    with pytest.raises(LogUnavailable):
        await anext(following)
    with pytest.raises(LogLost):
        await log.append(0, (b"b",))
    with pytest.raises(LogLost):
        await log.end(0)
    await log.append(1, (b"c",))
    await connection.close()
    await log.close()
