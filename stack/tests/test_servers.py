"""The private servers keep their data over stops and crashes."""

import aio_pika
import pytest
from aiormq.abc import ArgumentsType
from pymongo import MongoClient, WriteConcern
from redis import Redis as RedisClient

from stack.servers import MariaDB, MongoDB, MySQL, RabbitMQ, Redis
from stack.servers.deadline import wait_until

_STREAM: ArgumentsType = {"x-queue-type": "stream"}


def test_redis_keeps_its_address_and_data_when_it_is_stopped(private_redis: Redis) -> None:
    url = private_redis.url
    with RedisClient.from_url(url) as client:
        client.set("greeting", "안녕")
    private_redis.stop()
    private_redis.start()
    assert private_redis.url == url
    with RedisClient.from_url(url) as client:
        assert client.get("greeting") == "안녕".encode()


def test_mongodb_keeps_what_a_majority_has_when_it_is_killed(private_mongodb: MongoDB) -> None:
    with MongoClient[dict[str, str]](private_mongodb.url) as client:
        safe = WriteConcern("majority", j=True)
        client["test"].get_collection("words", write_concern=safe).insert_one({"word": "안녕"})
    private_mongodb.kill()
    private_mongodb.start()
    with MongoClient[dict[str, str]](private_mongodb.url) as client:
        assert [found["word"] for found in client["test"]["words"].find()] == ["안녕"]


def test_mariadb_keeps_what_was_committed_when_it_is_killed(private_mariadb: MariaDB) -> None:
    private_mariadb.sql("CREATE TABLE madang.words (word TEXT); INSERT madang.words VALUE ('🙂')")
    private_mariadb.kill()
    private_mariadb.start()
    assert private_mariadb.sql("SELECT word FROM madang.words") == "🙂\n"


async def test_rabbitmq_keeps_what_was_confirmed_when_it_is_killed(
    private_rabbitmq: RabbitMQ,
) -> None:
    url = private_rabbitmq.create_vhost("kept")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("words", durable=True, arguments=_STREAM)
    # A node killed within half a second of its very first stream forgets how to open streams.
    private_rabbitmq.restart()
    _await_stream(private_rabbitmq)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        stream = await channel.declare_queue("words", durable=True, arguments=_STREAM)
        message = aio_pika.Message("안녕".encode(), delivery_mode=2)
        await channel.default_exchange.publish(message, stream.name)
    private_rabbitmq.kill()
    private_rabbitmq.start()
    _await_stream(private_rabbitmq)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(1)
        again = await channel.declare_queue("words", durable=True, arguments=_STREAM)
        async with again.iterator(arguments={"x-stream-offset": "first"}, timeout=10) as messages:
            assert (await anext(messages)).body.decode() == "안녕"
    private_rabbitmq.delete_vhost("kept")


def _await_stream(rabbitmq: RabbitMQ) -> None:
    """Return when the stream has its leader back, which is later than the node answers."""
    with rabbitmq.management() as client:
        queue = "/api/queues/kept/words"
        assert wait_until(lambda: client.get(queue).json().get("state") == "running", seconds=30)


def test_a_frozen_server_answers_when_it_goes_on(private_redis: Redis) -> None:
    private_redis.pause()
    assert not private_redis.is_ready()
    private_redis.resume()
    assert private_redis.is_ready()


def test_somebody_else_can_stop_what_was_started(private_redis: Redis) -> None:
    Redis(private_redis.folder).stop()
    assert private_redis.process is None


def test_a_server_that_runs_is_not_started_twice(private_redis: Redis) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        Redis(private_redis.folder).start()


def test_each_test_has_an_empty_redis_database(redis: Redis, redis_database_url: str) -> None:
    with RedisClient.from_url(redis_database_url) as client:
        assert client.dbsize() == 0
        client.set("mine", 1)
    assert redis.database_url(redis.take_database()) != redis_database_url


def test_rabbitmqctl_asks_the_node(private_rabbitmq: RabbitMQ) -> None:
    assert "madang" in private_rabbitmq.rabbitmqctl("list_users")


def test_mysql_speaks_of_itself(mysql_database_url: str, mysql: MySQL) -> None:
    version, character_set, text = mysql.sql(
        "SELECT @@version, @@character_set_server, '안녕🙂'"
    ).split()
    assert "MariaDB" not in version
    assert (character_set, text) == ("utf8mb4", "안녕🙂")
    assert mysql_database_url.rpartition("/")[2] in mysql.sql("SHOW DATABASES").split()
