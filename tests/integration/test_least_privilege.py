"""What the user of each service may do on the real servers, and that nothing else is permitted."""

import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import AMQPError, ChannelAccessRefused
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.events.envelope import Event
from madang_common.log import definitions, topology
from madang_common.log.amqp import AmqpLog
from madang_common.password_files import read_password
from madang_common.settings import CannotStart
from madang_history.endpoint import MongoEndpoint
from madang_history.leases.mongo import MongoLeases
from madang_history.store import provision
from madang_history.store.command import migrate
from madang_history.store.migration import Migration
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import connected
from madang_history.store.port import LAST, Gap, StoredEvent
from madang_rooms.endpoint import MySqlEndpoint
from madang_rooms.storage import grants, mysql
from stack.servers import MongoDB, RabbitMQ
from stack.servers.ports import LOOPBACK
from stack.servers.sql import SqlServer
from tests.support.databases import LIMITS
from tests.support.deployment import ROOT

AWKWARD = r"""pä漢ss'";`\%@:/?#$$ ${x}"""
"""The same in every worker: users are global to a server."""
SHARDS = 2


@pytest.fixture(scope="module")
def vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    """Yield a virtual host that the definitions created, with an empty log."""
    name = f"least_{secrets.token_hex(8)}"
    passwords = dict.fromkeys(definitions.USERS, AWKWARD)
    with rabbitmq.management() as client:
        made = definitions.definitions(passwords, vhost=name)
        client.post("/api/definitions", json=made).raise_for_status()
    yield name
    rabbitmq.delete_vhost(name)


@pytest.fixture
async def declared(rabbitmq: RabbitMQ, vhost: str) -> str:
    """Give the virtual host with the log, declared as the setup user."""
    await (await AmqpLog.open(amqp_endpoint(rabbitmq, vhost, "setup"), SHARDS)).close()
    return vhost


def amqp_endpoint(rabbitmq: RabbitMQ, vhost: str, name: str) -> AmqpEndpoint:
    return AmqpEndpoint.of(
        [f"{LOOPBACK}:{rabbitmq.port}"],
        user=definitions.user_name(name),
        password=AWKWARD,
        vhost=vhost,
    )


@asynccontextmanager
async def amqp_channel(rabbitmq: RabbitMQ, vhost: str, name: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(
        host=LOOPBACK,
        port=rabbitmq.port,
        login=definitions.user_name(name),
        password=AWKWARD,
        virtualhost=vhost,
    )
    async with connection, connection.channel() as channel:
        yield channel


async def publish(channel: AbstractChannel, exchange: str, key: str) -> None:
    found = (
        await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    )
    await found.publish(aio_pika.Message(b"a"), key, mandatory=False)


async def ignore(_: AbstractIncomingMessage) -> None:
    """Leave the message to others."""


async def consume(channel: AbstractChannel, queue: str) -> None:
    await channel.set_qos(1)
    await (await channel.get_queue(queue, ensure=False)).consume(ignore)


async def get(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def listen(channel: AbstractChannel) -> None:
    queue = await channel.declare_queue("madang.live.test", exclusive=True)
    await queue.bind(topology.LIVE)


async def bind(channel: AbstractChannel, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange)


AmqpOperation = Callable[[AbstractChannel], Awaitable[object]]
AMQP: Mapping[str, AmqpOperation] = {
    "append": lambda channel: publish(channel, topology.LOG, "0"),
    "read log": lambda channel: consume(channel, topology.stream_name(0)),
    "send live": lambda channel: publish(channel, topology.LIVE, ""),
    "receive live": listen,
    "add dead letter": lambda channel: publish(channel, "", topology.DEAD),
    "read dead letters": lambda channel: get(channel, topology.DEAD),
    "declare stream": lambda channel: channel.declare_queue(
        "madang.log.9", durable=True, arguments={"x-queue-type": "stream"}
    ),
    "delete stream": lambda channel: channel.queue_delete("madang.log.9"),
    "declare exchange": lambda channel: channel.declare_exchange(
        topology.LIVE, "fanout", durable=True
    ),
    "delete exchange": lambda channel: channel.exchange_delete("madang.other"),
    "bind stream elsewhere": lambda channel: bind(channel, topology.stream_name(0), topology.LIVE),
    "append past the exchange": lambda channel: publish(channel, "", topology.stream_name(1)),
    "declare own queue": lambda channel: channel.declare_queue("other", exclusive=True),
    "publish elsewhere": lambda channel: publish(channel, "amq.topic", "a"),
}
AMQP_PERMITTED: Mapping[str, set[str]] = {
    "gateway": {"append", "read log", "send live", "receive live"},
    "auth": {"send live"},
    "rooms": {"append"},
    # RabbitMQ does not check the routing key, so who may add a dead letter may also append.
    "history": {
        "read log",
        "add dead letter",
        "read dead letters",
        "append past the exchange",
    },
    # It appends and reads the ends of epochs.
    "setup": {"declare stream", "delete stream", "declare exchange", "append", "read log"},
    "operator": {"append", "read log", "read dead letters"},
}


@pytest.mark.parametrize("name", definitions.USERS)
async def test_a_user_of_rabbitmq_may_only_do_what_its_service_does(
    rabbitmq: RabbitMQ, declared: str, name: str
) -> None:
    permitted, refused = set(), set()
    for operation, do in AMQP.items():
        try:
            async with amqp_channel(rabbitmq, declared, name) as channel:
                await do(channel)
            permitted.add(operation)
        except ChannelAccessRefused:
            refused.add(operation)

    assert permitted == AMQP_PERMITTED[name]
    assert refused == AMQP.keys() - permitted


def set_up(rabbitmq: RabbitMQ, vhost: str, shards: int) -> subprocess.CompletedProcess[str]:
    variables = {
        "MADANG_AMQP_HOSTS": f"{LOOPBACK}:{rabbitmq.port}",
        "MADANG_AMQP_USER": definitions.user_name("setup"),
        "MADANG_AMQP_PASSWORD": AWKWARD,
        "MADANG_AMQP_VHOST": vhost,
        "MADANG_LOG_SHARDS": str(shards),
    }
    command = [sys.executable, "-m", "madang_common.log.setup"]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_a_job_declares_the_log_and_refuses_another_number_of_shards(
    rabbitmq: RabbitMQ, declared: str
) -> None:
    again, other = (set_up(rabbitmq, declared, shards) for shards in (SHARDS, SHARDS + 1))

    assert again.returncode == 0, again.stderr
    assert other.returncode == 1
    told = f"madang-log-setup: RabbitMQ's log was made with fewer than {SHARDS + 1} shards"
    assert other.stderr.splitlines()[-1] == told


@pytest.mark.parametrize("name", definitions.USERS)
async def test_no_user_of_rabbitmq_is_an_administrator_or_enters_elsewhere(
    rabbitmq: RabbitMQ, vhost: str, name: str
) -> None:
    auth = (definitions.user_name(name), AWKWARD)
    with rabbitmq.management() as client:
        refused = client.get("/api/overview", auth=auth)

    assert refused.status_code == httpx.codes.UNAUTHORIZED
    assert "Not management user" in refused.text
    with pytest.raises(AMQPError):
        await aio_pika.connect(amqp_endpoint(rabbitmq, "/", name).nodes[0])


async def test_a_former_user_of_rabbitmq_is_shut_out(rabbitmq: RabbitMQ, vhost: str) -> None:
    former = f"former-{secrets.token_hex(4)}"
    with rabbitmq.management() as client:
        user = {"password": AWKWARD, "tags": "administrator"}
        client.put(f"/api/users/{former}", json=user).raise_for_status()
        made = definitions.definitions({}, vhost=vhost, former=[former])

        client.post("/api/definitions", json=made).raise_for_status()

        refused = client.get("/api/overview", auth=(former, AWKWARD))
        (permissions,) = client.get(f"/api/users/{former}/permissions").json()
        client.delete(f"/api/users/{former}").raise_for_status()
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    assert {permissions[kind] for kind in ("configure", "write", "read")} == {topology.NOTHING}


def test_the_documented_privileges_are_those_of_the_code() -> None:
    rooms, history = (
        (ROOT / f"services/{service}/README.md").read_text(encoding="utf-8")
        for service in ("rooms", "history")
    )

    granted = re.findall(r"GRANT ([A-Z, ]+)\s+ON madang\.\* TO 'madang_(\w+)'@'%';", rooms)
    assert {name: tuple(rights.split(", ")) for rights, name in granted} == grants.RIGHTS
    listed = re.search(r"user\s+needs (`find`.*?) on the\s+database", history, re.DOTALL)
    assert listed is not None
    assert tuple(re.findall(r"`(\w+)`", listed[1])) == provision.ACTIONS


SQL: Mapping[str, str] = {
    "select": "SELECT * FROM users",
    "insert": "INSERT INTO users SELECT * FROM users WHERE FALSE",
    "update": "UPDATE users SET id = id WHERE FALSE",
    "delete": "DELETE FROM users WHERE FALSE",
    "lock": "SELECT GET_LOCK('least', 0), RELEASE_LOCK('least')",
    "create": "CREATE TABLE least (id INT PRIMARY KEY)",
    "alter": "ALTER TABLE users ADD COLUMN least INT",
    "index": "CREATE INDEX least ON users (id)",
    "drop": "DROP TABLE removals",
    "create view": "CREATE VIEW least_view AS SELECT 1 AS one",
    "create trigger": "CREATE TRIGGER least BEFORE DELETE ON users FOR EACH ROW SET @a = 1",
    "create routine": "CREATE PROCEDURE least() SELECT 1",
    "another database": "SELECT * FROM `{other}`.secret",
    "create database": "CREATE DATABASE `{other}_b`",
    "read accounts": "SELECT * FROM mysql.user",
    "create user": "CREATE USER least IDENTIFIED BY 'least'",
    "grant": "GRANT SELECT ON `{database}`.* TO {user}",
    "read a file": "LOAD DATA INFILE '/etc/passwd' INTO TABLE users",
    "global setting": "SET GLOBAL max_connections = 500",
}
SQL_ROWS = {"select", "insert", "update", "delete", "lock"}
SQL_PERMITTED: Mapping[str, set[str]] = {
    "rooms": SQL_ROWS,
    "migrate": SQL_ROWS | {"create", "alter", "index", "drop"},
}


def sql_endpoint(server: SqlServer, name: str, database: str) -> MySqlEndpoint:
    user = grants.user_name(name)
    return MySqlEndpoint.of(LOOPBACK, port=server.port, user=user, password=AWKWARD, name=database)


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
async def test_the_users_of_sql_may_only_do_what_rooms_does(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: SqlServer = request.getfixturevalue(kind)
    # `_` in a GRANT would match the other name too.
    unique = secrets.token_hex(4)
    database, other = f"least_{unique}", f"leastx{unique}"
    server.sql(f"CREATE DATABASE {other}; CREATE TABLE {other}.secret (id INT)")
    server.sql(f"CREATE USER former{unique}@'%' IDENTIFIED BY 'a'")
    passwords = dict.fromkeys(grants.RIGHTS, AWKWARD)
    made = list(grants.statements(passwords, database=database, former=[f"former{unique}"]))
    try:
        for _ in range(2):  # a repeated run is accepted
            server.sql("\n".join(made))
        await mysql.migrate(sql_endpoint(server, "migrate", database), start_seconds=10)
        await (await mysql.open_mysql(sql_endpoint(server, "rooms", database), LIMITS)).close()

        for name, expected in SQL_PERMITTED.items():
            names = {"database": database, "other": other, "user": grants.user_name(name)}
            permitted = await permitted_sql(sql_endpoint(server, name, database).url, names)
            assert permitted == expected, name

        assert server.sql(f"SELECT User FROM mysql.user WHERE User = 'former{unique}'") == ""
    finally:
        server.sql(f"DROP DATABASE {other}; DROP DATABASE IF EXISTS {database}")


async def permitted_sql(url: URL, names: Mapping[str, str]) -> set[str]:
    permitted = set()
    # The driver encodes a str as Latin-1.
    engine = create_async_engine(url, connect_args={"password": AWKWARD.encode()})
    for operation, statement in SQL.items():
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement.format(**names)))
            permitted.add(operation)
        except DBAPIError as error:
            if not re.search("denied|do not have the SUPER privilege", str(error.orig)):
                raise
    await engine.dispose()
    return permitted


MONGO: Mapping[str, Callable[[MongoClient[dict[str, Any]], str], object]] = {
    "drop collection": lambda client, name: client[name].command("drop", "events"),
    "drop database": lambda client, name: client[name].command("dropDatabase"),
    "drop index": lambda client, name: client[name].command("dropIndexes", "events", index="*"),
    "another database": lambda client, name: client[f"{name}x"]["events"].find_one(),
    "read accounts": lambda client, name: client.admin["system.users"].find_one(),
    "create user": lambda client, name: client[name].command(
        "createUser", "least", pwd="a", roles=[]
    ),
    "grant": lambda client, name: client.admin.command(
        "grantRolesToUser", provision.USER, roles=["root"]
    ),
    "configure": lambda client, name: client.admin.command("setParameter", 1, logLevel=0),
    "shut down": lambda client, name: client.admin.command("shutdown"),
    "read the oplog": lambda client, name: client.local["oplog.rs"].find_one(),
}
"""By operation; history's user may do none of them."""
_UNAUTHORIZED = 13


async def test_the_user_of_mongodb_may_only_do_what_history_does(
    mongodb: MongoDB, mongo_database: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb.url) as administrator:
        administrator.admin.command("createUser", mongo_database, pwd="a", roles=[])
        for _ in range(2):  # a repeated run is accepted
            provision.make_user(administrator, AWKWARD, database=mongo_database)
            provision.drop_users(administrator, [mongo_database])
        users = administrator.admin.command("usersInfo", mongo_database)["users"]
    endpoint = MongoEndpoint.of(
        [f"{LOOPBACK}:{mongodb.port}"],
        user=provision.USER,
        password=AWKWARD,
        replica_set=provision.REPLICA_SET,
    )

    async with connected(endpoint, mongo_database, timeout_seconds=5, connections=2) as found:
        # What the version before left: it is renamed at the first start, and dropped when migrated.
        old = [("shard", 1), ("audience", 1), ("sender", 1), ("key", 1)]
        with MongoClient[dict[str, Any]](mongodb.url) as administrator:
            administrator[mongo_database]["events"].create_index(old, name="by_key")
        for _ in range(2):  # history defines its collections at each start
            store = await MongoMessageStore.open(found, SHARDS)
            leases = await MongoLeases.open(found, SHARDS, seconds=10)
        event = Event("key", "message.created", "alice", "Alice", "now", {"text": "a"}, room="a")
        assert await store.store(0, [StoredEvent(1, event)], 1) == 1
        await store.add_gap(0, Gap(2, 3))
        assert await store.progress(0) == 1
        assert await store.before("rooms.a", None, 10) != []
        count = await store.count_messages("a", 0, upto=LAST, reader="bob", most=10)
        assert count.unread == 1
        async with aclosing(leases.changes()) as held:
            assert await anext(held) == {0, 1}
        await leases.release()
        await store.close()
        shown: list[str] = []
        assert await migrate(Migration(found), shown.append) == []
        assert shown == ["0 events moved, 0 left"]

    assert users == []
    with MongoClient[dict[str, Any]](**endpoint.options) as client:
        for operation, do in MONGO.items():
            with pytest.raises(OperationFailure) as refused:
                do(client, mongo_database)
            assert refused.value.code == _UNAUTHORIZED, operation


@pytest.mark.parametrize(
    ("content", "password"),
    [(f"{AWKWARD}\n", AWKWARD), ("a\n\n", "a\n"), ("a\r\n", "a"), (" a ", " a ")],
)
def test_one_trailing_newline_of_a_password_is_dropped(
    tmp_path: Path, content: str, password: str
) -> None:
    (tmp_path / "rooms").write_text(content, encoding="utf-8", newline="")

    assert read_password(tmp_path, "rooms") == password


@pytest.mark.parametrize("content", [None, b"", b"\n", b"a\0b", b"\xff"])
def test_a_file_without_a_usable_password_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "rooms").write_bytes(content)

    with pytest.raises(CannotStart, match=f"^{tmp_path}/rooms ") as refused:
        read_password(tmp_path, "rooms")

    assert "\n" not in str(refused.value)
