"""All services of Madang on real servers, and a bare FastAPI beside them, for REST requests."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from argon2 import PasswordHasher
from typing_extensions import override

from bench.accounts import Account, make_accounts
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.machine import Cores, move, pinned
from bench.seed import append_messages, insert_rooms, set_passwords
from bench.targets.madang_placement import LIFTED_LIMITS
from bench.targets.port import Demand, Placement, Running
from bench.targets.private import pid_of
from bench.targets.process import ROOT
from madang_common.log.topology import VHOST
from stack.command import CommandError, migrate
from stack.run import ServerRun
from stack.secrets_of_stack import Secrets
from stack.servers import (
    MariaDB,
    MissingProgramError,
    MongoDB,
    RabbitMQ,
    Redis,
    ServerNotReadyError,
)
from stack.servers.ports import LOOPBACK
from stack.servers.server import Server
from stack.service import Service

_SERVICES = ("auth", "rooms", "history", "gateway")
_PASSWORD = "correct horse battery staple"
_LOGIN_LIMITS = {
    "MADANG_LOGIN_TRIES_PER_ADDRESS": "1000000",
    "MADANG_LOGIN_SUCCESSES_PER_USER": "1000000",
}


@dataclass(frozen=True, slots=True)
class People:
    """Users and rooms that exist."""

    accounts: Sequence[Account]
    rooms: Sequence[str]
    demand: Demand
    password: str = _PASSWORD

    def room_of(self, user: int) -> str:
        """Return a room that the user number `user` is a member of."""
        rooms = range(self.demand.rooms)
        mine = [room for room in rooms if user in self.demand.members_of(room)]
        return self.rooms[mine[user % len(mine)]]


class Bare(Server):
    """A FastAPI with the same queries and nothing of Madang: `bench.bare`."""

    name = "bare"
    settings: Mapping[str, str]
    """Names the servers that it reads."""

    @override
    def prepare(self) -> None:
        """Prepare nothing."""

    @override
    def launch(self) -> None:
        served = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--port", str(self.port)]
        command = [*served, "--no-access-log", "--log-level", "warning"]
        self.run("main", command, env={**self.settings, "PYTHONPATH": str(ROOT)})

    @override
    def is_ready(self) -> bool:
        try:
            return httpx.get(f"http://{LOOPBACK}:{self.port}/health/ready").is_success
        except httpx.TransportError:
            return False


class OneService(Running):
    """One process of the cluster, measured on the core of the server."""

    def __init__(self, port: int, process: int, last_words: Callable[[], str]) -> None:
        self.port = port
        self.processes: Mapping[str, int] = {"server": process}
        self._last_words = last_words

    @override
    def prepare(self, demand: Demand, deadline: Deadline) -> Placement:
        raise NotImplementedError("the cluster prepares users and rooms for all services")

    @override
    def last_words(self) -> str:
        return self._last_words()


class RestCluster:
    """The servers, one process of each service, and the bare FastAPI; all on the same cores."""

    def __init__(self, run: ServerRun) -> None:
        self._rabbitmq = run.private(RabbitMQ, "rabbitmq")
        self._mariadb = run.private(MariaDB, "mariadb")
        self._redis = run.private(Redis, "redis")
        self._mongodb = run.private(MongoDB, "mongodb")
        self._secrets = Secrets(run.folder / "secrets")
        self._services = {
            name: Service(
                run.folder / name,
                f"{name}-1",
                self._settings_of,
                log_file=run.folder / f"{name}.log",
            )
            for name in _SERVICES
        }
        self._bare = run.private(Bare, "bare")

    def start(self) -> None:
        """Start everything on the caller's cores."""
        self._secrets.make()
        with ThreadPoolExecutor() as pool:
            servers = [self._start_broker, self._start_database, self._redis.start]
            _ended(pool, *servers, self._mongodb.start)
            _ended(pool, *(service.start for service in self._services.values()))
        self._bare.settings = {
            "BARE_DATABASE_URL": self._mariadb.url,
            "BARE_MONGO_URL": self._mongodb.url,
            "BARE_AMQP_URL": self._rabbitmq.vhost_url(VHOST),
            "BARE_REDIS_URL": self._redis.url,
        }
        self._bare.start()

    def prepare(self, demand: Demand, messages: int, deadline: Deadline) -> People:
        """Create users and rooms with `messages` each; return when history has stored all."""
        accounts = make_accounts(demand.users, self._secrets.signing_keys)
        rooms = insert_rooms(self._mariadb.url, demand, accounts)
        set_passwords(self._mariadb.url, accounts, PasswordHasher().hash(_PASSWORD))
        append_messages(self._rabbitmq.vhost_url(VHOST), rooms, accounts[0], messages)
        people = People(accounts, rooms, demand)
        for room, name in enumerate(rooms):
            owner = accounts[demand.members_of(room)[0]]
            self._await_stored(name, owner, messages, deadline)
        return people

    @contextmanager
    def measured(self, name: str, cores: Cores) -> Iterator[OneService]:
        """Yield a service, or `bare`, while it has the server's core."""
        server = self._bare if name == Bare.name else self._services[name]
        process = pid_of(server)
        before = os.sched_getaffinity(process)
        move(process, cores.server)
        try:
            yield OneService(server.port, process, server.log_tail)
        finally:
            move(process, before)

    def _await_stored(self, room: str, member: Account, messages: int, deadline: Deadline) -> None:
        url = f"{self._services['history'].url}/api/history/v1/rooms/{room}/events"
        while True:
            answer = httpx.get(url, headers=member.headers, params={"limit": min(messages, 100)})
            if answer.is_success and len(answer.json()["items"]) == min(messages, 100):
                return
            deadline.pause(f"history to store the messages: {answer.text[:200]}")

    def _start_broker(self) -> None:
        self._rabbitmq.start()
        self._rabbitmq.create_vhost(VHOST)

    def _start_database(self) -> None:
        self._mariadb.start()
        migrate(self._settings_of("rooms"))

    def _settings_of(self, service: str) -> dict[str, str]:
        """Return the environment of a service; all other settings are those of production."""
        return {
            # Where this very code is, in case it is not the code that is installed.
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **LIFTED_LIMITS,
            **_LOGIN_LIMITS,
            "MADANG_AMQP_URL": self._rabbitmq.vhost_url(VHOST),
            "MADANG_REDIS_URL": self._redis.url,
            "MADANG_DATABASE_URL": self._mariadb.url,
            "MADANG_MONGO_URL": self._mongodb.url,
            **{f"MADANG_{name.upper()}_URL": self._services[name].url for name in _SERVICES[:3]},
            **self._secrets.settings_of(service),
        }


@contextmanager
def rest_cluster(cores: Cores) -> Iterator[RestCluster]:
    """Start the cluster on the generator's cores, yield it when it serves, and stop it."""
    run = ServerRun.begin()
    try:
        run.watch()
        cluster = RestCluster(run)
        with pinned(cores.generator):
            cluster.start()
        yield cluster
    except (CommandError, MissingProgramError, ServerNotReadyError) as error:
        raise BenchError(f"the REST services: {error}") from error
    finally:
        run.end()


def _ended(pool: ThreadPoolExecutor, *steps: Callable[[], object]) -> None:
    """Do all steps at the same time; raise the first problem when all have ended."""
    for step in [pool.submit(step) for step in steps]:
        step.result()
