"""TLS to the four servers with a private CA, and passwords with any characters."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis as RedisClient
from redis.asyncio import Redis
from redis.exceptions import RedisError

from madang_common.amqp.connection import AmqpConnection
from madang_common.redis.client import redis_client
from madang_common.redis.settings import RedisSettings
from madang_common.settings import CannotStart, CommonSettings
from madang_history.settings import HistorySettings
from madang_history.store.mongo_client import connected
from madang_rooms import wiring
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.mysql import Limits, open_mysql
from stack.run import ServerRun
from stack.servers import MissingProgramError, Server
from stack.servers.sql import SqlServer
from tests.support.refused_settings import PASSWORD
from tests.support.tls_servers import (
    Certificate,
    TlsMariaDB,
    TlsMongoDB,
    TlsMySQL,
    TlsRabbitMQ,
    TlsRedis,
    TlsSentinel,
)

QUOTED = quote(PASSWORD, safe="")
_PATIENCE_SECONDS = 60
"""Longest wait for a server, on a busy machine."""
_REFUSAL_SECONDS = 0.5
"""How long a connection that must fail is retried."""
SENTINEL_PASSWORD = "sen@ti:nel/%20 #?"
DEVELOPMENT: Any = {"environment": "development"}


@dataclass
class Servers:
    """The servers, and files of CA certificates."""

    rabbitmq: TlsRabbitMQ
    mariadb: TlsMariaDB
    mysql: TlsMySQL | None
    """None where it cannot be built."""
    mongodb: TlsMongoDB
    redis: TlsRedis
    replica: TlsRedis
    sentinel: TlsSentinel
    ca: str
    other_ca: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("tls")
    authority, other = trustme.CA(), trustme.CA()
    return {
        "localhost": Certificate.write(folder / "localhost", authority, "localhost"),
        "address": Certificate.write(folder / "address", authority, "127.0.0.1"),
        "other": Certificate.write(folder / "other", other, "localhost"),
    }


@pytest.fixture(scope="module")
def servers(server_run: ServerRun, files: dict[str, Certificate]) -> Iterator[Servers]:
    """Start all of them at once, each with a user `min:a` who has the password."""
    unique = time.time_ns()
    localhost = files["localhost"]
    rabbitmq = server_run.private(TlsRabbitMQ, f"tls-rabbitmq-{unique}")
    mariadb = server_run.private(TlsMariaDB, f"tls-mariadb-{unique}")
    mysql = server_run.private(TlsMySQL, f"tls-mysql-{unique}")
    mongodb = server_run.private(TlsMongoDB, f"tls-mongodb-{unique}")
    redis = server_run.private(TlsRedis, f"tls-redis-{unique}")
    replica = server_run.private(TlsRedis, f"tls-replica-{unique}")
    sentinel = server_run.private(TlsSentinel, f"tls-sentinel-{unique}")
    rabbitmq.files = mariadb.files = mysql.files = localhost
    redis.files = replica.files = sentinel.files = localhost
    mongodb.files = files["address"]
    replica.primary = sentinel.primary = redis
    sentinel.sentinel_password = SENTINEL_PASSWORD
    started: list[Server] = [rabbitmq, mariadb, mongodb, redis, replica]
    with ThreadPoolExecutor() as pool:
        built = pool.submit(start_mysql, mysql)
        list(pool.map(lambda server: server.start(), started))
        sentinel.start()
    add_users(rabbitmq)
    grant(mariadb)
    with MongoClient[dict[str, Any]](mongodb.url) as client:
        client.admin.command("createUser", "min:a", pwd=PASSWORD, roles=["root"])
    for member in (redis, replica):
        with RedisClient.from_url(member.url) as client_of:
            client_of.execute_command(
                "ACL", "SETUSER", "min:a", "on", f">{PASSWORD}", "~*", "&*", "+@all"
            )
    yield Servers(
        rabbitmq,
        mariadb,
        mysql if built.result() else None,
        mongodb,
        redis,
        replica,
        sentinel,
        str(localhost.ca),
        str(files["other"].ca),
    )
    for server in (*started, mysql, sentinel):
        server.kill()


def start_mysql(server: TlsMySQL) -> bool:
    """Start a MySQL with the same user; return False where it cannot be built."""
    try:
        server.start()
    except MissingProgramError:
        return False
    grant(server)
    return True


def add_users(rabbitmq: TlsRabbitMQ) -> None:
    with rabbitmq.management() as client:
        client.put("/api/vhosts/my%2Fchat%20%25").raise_for_status()
        client.put("/api/users/min:a", json={"password": PASSWORD, "tags": ""}).raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        client.put("/api/permissions/my%2Fchat%20%25/min:a", json=everything).raise_for_status()


def grant(server: SqlServer) -> None:
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    server.sql(
        f"CREATE USER 'min:a'@'%' IDENTIFIED BY '{escaped}' REQUIRE SSL;"
        "GRANT ALL ON madang.* TO 'min:a'@'%';"
    )


async def connect_amqp(*, seconds: float, **given: Any) -> None:
    settings = CommonSettings(**DEVELOPMENT, **given)
    connection = AmqpConnection(settings.require_amqp(), "test")
    try:
        await connection.wait_for(seconds)
        connection.release(await connection.channel())
    finally:
        await connection.close()


async def connect_mysql(*, seconds: float, **given: Any) -> None:
    """Migrate, then open the pool."""
    settings = RoomsSettings(**DEVELOPMENT, start_seconds=seconds, **given)
    await wiring.migrate(settings, "head")
    database = await open_mysql(settings.require_database(), Limits(start_seconds=seconds))
    await database.ping()
    await database.close()


async def connect_mongo(*, seconds: float, **given: Any) -> None:
    settings = HistorySettings(**DEVELOPMENT, **given)
    async with connected(
        settings.require_mongo(), "madang", timeout_seconds=seconds, connections=2
    ) as database:
        await database["tried"].insert_one({"by": "tls"})


async def connect_redis(*, seconds: float, **given: Any) -> None:
    settings = RedisSettings(**DEVELOPMENT, **given)
    client = redis_client(settings.require_redis(), connections=2, timeout_seconds=max(seconds, 20))
    try:
        await client.set("tried", "tls")
    finally:
        await client.aclose()


Connect = Callable[..., Awaitable[None]]


def amqp_forms(servers: Servers, host: str = "localhost") -> Iterator[dict[str, Any]]:
    address = f"{host}:{servers.rabbitmq.ports['tls']}"
    yield {
        "amqp_hosts": (address,),
        "amqp_user": "min:a",
        "amqp_password": PASSWORD,
        "amqp_vhost": "my/chat %",
        "amqp_tls": True,
    }
    yield {"amqp_url": f"amqps://min%3Aa:{QUOTED}@{address}/my%2Fchat%20%25"}


def mysql_forms(server: SqlServer, host: str = "localhost") -> Iterator[dict[str, Any]]:
    yield {
        "database_host": host,
        "database_port": server.port,
        "database_user": "min:a",
        "database_password": PASSWORD,
        "database_tls": True,
    }
    url = f"mysql+asyncmy://min%3Aa:{QUOTED}@{host}:{server.port}/madang"
    yield {"database_url": url, "database_tls": True}


def mongo_forms(servers: Servers, host: str = "127.0.0.1") -> Iterator[dict[str, Any]]:
    address = f"{host}:{servers.mongodb.port}"
    yield {
        "mongo_hosts": (address,),
        "mongo_user": "min:a",
        "mongo_password": PASSWORD,
        "mongo_replica_set": "madang",
        "mongo_tls": True,
    }
    options = "replicaSet=madang&authSource=admin&ssl=true"
    yield {"mongo_url": f"mongodb://min%3Aa:{QUOTED}@{address}/chat?{options}"}


def redis_forms(servers: Servers, host: str = "localhost") -> Iterator[dict[str, Any]]:
    port = servers.redis.ports["tls"]
    yield {
        "redis_host": host,
        "redis_port": port,
        "redis_user": "min:a",
        "redis_password": PASSWORD,
        "redis_database": 7,
        "redis_tls": True,
    }
    yield {"redis_url": f"rediss://min%3Aa:{QUOTED}@{host}:{port}/7"}


@dataclass(frozen=True)
class Target:
    """A server and the ways to connect to it."""

    connect: Connect
    forms: Callable[..., Iterator[dict[str, Any]]]
    """Yields the settings by parts, and by URL."""
    ca_setting: str
    wrong_host: str


def target_of(kind: str, servers: Servers) -> Target:
    if kind == "rabbitmq":
        return Target(connect_amqp, partial(amqp_forms, servers), "amqp_ca_file", "127.0.0.1")
    if kind == "mongodb":
        return Target(connect_mongo, partial(mongo_forms, servers), "mongo_ca_file", "localhost")
    if kind == "redis":
        return Target(connect_redis, partial(redis_forms, servers), "redis_ca_file", "127.0.0.1")
    return mysql_target(servers.mariadb)


def mysql_target(server: SqlServer) -> Target:
    return Target(connect_mysql, partial(mysql_forms, server), "database_ca_file", "127.0.0.1")


async def error_of(target: Target, given: dict[str, Any]) -> str:
    """Return the error of a connection that must fail, with its causes."""
    with pytest.raises((ConnectionError, CannotStart, RedisError, PyMongoError)) as caught:
        await target.connect(seconds=_REFUSAL_SECONDS, **given)
    error: BaseException | None = caught.value
    texts: list[str] = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    text = "; ".join(texts)
    assert PASSWORD not in text
    assert QUOTED not in text
    return text


async def refusal(target: Target, given: dict[str, Any]) -> str:
    """Return the error for a certificate that must be refused; a busy server answers late."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            error = await error_of(target, given)
            if "certificate verify failed" in error:
                return error


async def check_certificates(target: Target, servers: Servers) -> None:
    """Connect by parts and by URL; then fail with another CA, without one, with another host."""
    for given in target.forms():
        await target.connect(seconds=_PATIENCE_SECONDS, **given, **{target.ca_setting: servers.ca})

    untrusted = [
        given | ca for given in target.forms() for ca in ({target.ca_setting: servers.other_ca}, {})
    ]
    misnamed = [
        given | {target.ca_setting: servers.ca} for given in target.forms(host=target.wrong_host)
    ]
    errors = await asyncio.gather(*(refusal(target, given) for given in untrusted + misnamed))

    for error in errors[len(untrusted) :]:
        assert f"certificate is not valid for '{target.wrong_host}'" in error


@pytest.mark.parametrize("kind", ["rabbitmq", "mariadb", "mongodb", "redis"])
async def test_the_certificate_and_the_host_name_are_verified(kind: str, servers: Servers) -> None:
    await check_certificates(target_of(kind, servers), servers)


async def test_the_certificate_of_mysql_is_verified(servers: Servers) -> None:
    if servers.mysql is None:
        pytest.skip("MySQL cannot be built here")
    await check_certificates(mysql_target(servers.mysql), servers)


async def test_after_a_failover_the_sentinels_name_the_new_primary(servers: Servers) -> None:
    settings = RedisSettings(
        **DEVELOPMENT,
        redis_sentinels=(f"localhost:{servers.sentinel.port}",),
        redis_primary="chat",
        redis_sentinel_password=SENTINEL_PASSWORD,
        redis_user="min:a",
        redis_password=PASSWORD,
        redis_tls=True,
        redis_ca_file=servers.ca,
    )
    client = redis_client(
        settings.require_redis(), connections=4, timeout_seconds=10, retries=1, decode=True
    )
    await client.set("kept", "before")
    assert await client.wait(1, 8_000) == 1

    servers.redis.kill()
    await until_written(client)

    assert await client.get("kept") == "before"
    assert (await client.config_get("tls-port"))["tls-port"] == str(servers.replica.ports["tls"])
    await client.aclose()


async def until_written(client: Redis) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                await client.set("written", "after")
            except RedisError:
                await asyncio.sleep(0.1)
            else:
                return


async def test_an_unknown_primary_is_an_error(servers: Servers) -> None:
    settings = RedisSettings(
        **DEVELOPMENT,
        redis_sentinels=(f"localhost:{servers.sentinel.port}",),
        redis_sentinel_password=SENTINEL_PASSWORD,
        redis_tls=True,
        redis_ca_file=servers.ca,
    )
    client = redis_client(settings.require_redis(), connections=1, timeout_seconds=20)

    with pytest.raises(RedisError, match="No master found for 'mymaster'"):
        await client.ping()
    await client.aclose()
