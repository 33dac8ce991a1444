"""Pytest's view of the private servers: one of each kind per run, and some that may be killed."""

import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pymongo import MongoClient

from stack import launching
from stack.run import PreloadedOfRun, ServerRun
from stack.servers import (
    MariaDB,
    MissingProgramError,
    MongoDB,
    MySQL,
    RabbitMQ,
    Redis,
    Server,
)
from stack.servers.sql import SqlServer

_RUN = pytest.StashKey[ServerRun]()
_FAILED = pytest.StashKey[bool]()

_S = TypeVar("_S", bound=Server)


def pytest_configure(config: pytest.Config) -> None:
    told: dict[str, Any] | None = getattr(config, "workerinput", None)
    if told is None:
        config.stash[_RUN] = ServerRun.begin()
    else:
        config.stash[_RUN] = ServerRun(Path(told["servers_folder"]), told["servers_owner"])
    launching.set_launcher(PreloadedOfRun(config.stash[_RUN]))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the run's servers to a worker of pytest-xdist; `node` is its WorkerController."""
    run = node.config.stash[_RUN]
    node.workerinput["servers_folder"] = str(run.folder)
    node.workerinput["servers_owner"] = run.owner


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_FAILED] = exitstatus not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(_RUN, None)
    if run is None or hasattr(config, "workerinput"):
        return
    kept = _place_for_logs(config) if config.stash.get(_FAILED, True) else None
    run.end(logs_to=kept)
    if kept is not None and kept.exists():
        sys.stderr.write(f"logs of the servers: {kept}\n")


def _place_for_logs(config: pytest.Config) -> Path | None:
    """Return where the logs of the last run that failed are kept, emptied; None without a cache."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    if cache is None:
        return None
    place = cache.mkdir("servers")
    shutil.rmtree(place)
    return place


@pytest.fixture(scope="session")
def server_run(pytestconfig: pytest.Config) -> ServerRun:
    """Give the servers of this run."""
    return pytestconfig.stash[_RUN]


@pytest.fixture(scope="session")
def rabbitmq(server_run: ServerRun) -> RabbitMQ:
    """Give the RabbitMQ that all tests share; none of them ends it."""
    return server_run.shared(RabbitMQ)


@pytest.fixture(scope="session")
def rabbitmq_url(rabbitmq: RabbitMQ) -> str:
    """Give the URL of the shared RabbitMQ's own virtual host."""
    return rabbitmq.url


@pytest.fixture
def rabbitmq_vhost_url(rabbitmq: RabbitMQ) -> Iterator[str]:
    """Give the URL of a virtual host of the test's own in the shared RabbitMQ."""
    vhost = _unique("test")
    yield rabbitmq.create_vhost(vhost)
    rabbitmq.delete_vhost(vhost)


@pytest.fixture(scope="session")
def mariadb(server_run: ServerRun) -> MariaDB:
    """Give the MariaDB that all tests share; none of them ends it."""
    return server_run.shared(MariaDB)


@pytest.fixture(scope="session")
def mariadb_url(mariadb: MariaDB) -> str:
    """Give the URL of the shared MariaDB's database `madang`."""
    return mariadb.url


@pytest.fixture
def mariadb_database_url(mariadb: MariaDB) -> Iterator[str]:
    """Give the URL of a database of the test's own in the shared MariaDB."""
    yield from _fresh_database(mariadb)


@pytest.fixture(scope="session")
def mysql(server_run: ServerRun) -> MySQL:
    """Yield the MySQL that all tests share; skip, with the reason, where it cannot be built."""
    try:
        return server_run.shared(MySQL)
    except MissingProgramError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mysql_url(mysql: MySQL) -> str:
    """Give the URL of the shared MySQL's database `madang`."""
    return mysql.url


@pytest.fixture
def mysql_database_url(mysql: MySQL) -> Iterator[str]:
    """Give the URL of a database of the test's own in the shared MySQL."""
    yield from _fresh_database(mysql)


@pytest.fixture(scope="session")
def mongodb(server_run: ServerRun) -> MongoDB:
    """Give the MongoDB that all tests share; none of them ends it."""
    return server_run.shared(MongoDB)


@pytest.fixture(scope="session")
def mongo_url(mongodb: MongoDB) -> str:
    """Give the URL of the shared MongoDB."""
    return mongodb.url


@pytest.fixture
def mongo_database(mongodb: MongoDB) -> Iterator[str]:
    """Give the name of a database of the test's own in the shared MongoDB."""
    database = _unique("test")
    yield database
    with MongoClient[dict[str, Any]](mongodb.url) as client:
        client.drop_database(database)


@pytest.fixture(scope="session")
def redis(server_run: ServerRun) -> Redis:
    """Give the Redis that all tests share; none of them ends it."""
    return server_run.shared(Redis)


@pytest.fixture(scope="session")
def redis_url(redis: Redis) -> str:
    """Give the URL of the shared Redis' database 0."""
    return redis.url


@pytest.fixture
def redis_database_url(redis: Redis) -> Iterator[str]:
    """Give the URL of an empty database of the test's own in the shared Redis."""
    number = redis.take_database()
    yield redis.database_url(number)
    redis.empty_database(number)


@pytest.fixture(scope="session")
def _rabbitmq_of_worker(server_run: ServerRun) -> RabbitMQ:
    return server_run.private(RabbitMQ, _unique(RabbitMQ.name))


@pytest.fixture
def private_rabbitmq(_rabbitmq_of_worker: RabbitMQ) -> Iterator[RabbitMQ]:
    """Yield a running RabbitMQ that a test may kill, stop and pause; it holds earlier tests' data.

    It takes seconds to start, so the tests of one worker have it one after another.
    """
    server = _rabbitmq_of_worker
    if server.process is None:
        server.start()
    yield server
    if server.process is not None:
        server.resume()


@pytest.fixture
def private_mariadb(server_run: ServerRun) -> Iterator[MariaDB]:
    """Give a running MariaDB of the test's own to kill, stop and pause."""
    yield from _private(server_run, MariaDB)


@pytest.fixture
def private_mongodb(server_run: ServerRun) -> Iterator[MongoDB]:
    """Give a running MongoDB of the test's own to kill, stop and pause."""
    yield from _private(server_run, MongoDB)


@pytest.fixture
def private_redis(server_run: ServerRun) -> Iterator[Redis]:
    """Give a running Redis of the test's own to kill, stop and pause."""
    yield from _private(server_run, Redis)


def _private(run: ServerRun, kind: type[_S]) -> Iterator[_S]:
    server = run.private(kind, _unique(kind.name))
    server.start()
    yield server
    server.kill()


def _fresh_database(server: SqlServer) -> Iterator[str]:
    database = _unique("test")
    server.sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
    yield server.database_url(database)
    server.sql(f"DROP DATABASE {database}")


def _unique(name: str) -> str:
    return f"{name}_{uuid.uuid4().hex}"
