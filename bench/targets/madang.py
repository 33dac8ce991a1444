"""Madang as it runs in production: a gateway process on RabbitMQ, the other services beside it.

Of the services history is left out: it follows the log for itself, and no client of the gateway
waits for it. A stand-in confirms the log, which it is asked at the start.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from typing_extensions import override

from bench.accounts import make_accounts
from bench.deadline import Deadline
from bench.failure import BenchError
from bench.history_stand_in import history_stand_in
from bench.machine import Cores, pinned
from bench.seed import insert_rooms
from bench.targets.madang_placement import LIFTED_LIMITS, MadangPlacement
from bench.targets.port import Demand, Running, Target
from bench.targets.private import pid_of
from madang_common.log.topology import VHOST
from stack.command import CommandError, migrate
from stack.run import ServerRun
from stack.secrets_of_stack import Secrets
from stack.servers import (
    MariaDB,
    MissingProgramError,
    RabbitMQ,
    Redis,
    ServerNotReadyError,
)
from stack.service import Service


class Madang(Target):
    """Gateway and broker on the server's core, everything else on the generator's."""

    name = "madang"
    title = "Madang"
    echo_mark = b"\0"  # a STOMP frame ends in NUL
    receipt_mark = b"!"  # put into each receipt by the client
    acknowledgement = "RECEIPT with message-id: the message is in a RabbitMQ stream, confirmed"

    @override
    @contextmanager
    def running(self, cores: Cores, deadline: Deadline) -> Iterator["Cluster"]:
        run = ServerRun.begin()
        try:
            run.watch()
            with history_stand_in() as history_url:
                cluster = Cluster(run, history_url)
                cluster.start(gateway=cores.server, broker=self.broker_core(cores))
                yield cluster
        except (CommandError, MissingProgramError, ServerNotReadyError) as error:
            raise BenchError(f"{self.title}: {error}") from error
        finally:
            run.end()

    def broker_core(self, cores: Cores) -> frozenset[int]:
        """Return where RabbitMQ runs."""
        return cores.server


class MadangApart(Madang):
    """The gateway has the server's core for itself."""

    name = "madang-apart"
    title = "Madang, broker apart"

    @override
    def broker_core(self, cores: Cores) -> frozenset[int]:
        return cores.generator


class Cluster(Running):
    """The servers and services of one run."""

    def __init__(self, run: ServerRun, history_url: str) -> None:
        self._history_url = history_url
        self._rabbitmq = run.private(RabbitMQ, "rabbitmq")
        self._mariadb = run.private(MariaDB, "mariadb")
        self._redis = run.private(Redis, "redis")
        self._secrets = Secrets(run.folder / "secrets")
        names = ("auth-1", "rooms-1", "gateway-1")
        self._auth, self._rooms, self._gateway = (
            Service(run.folder / name, name, self._settings_of, log_file=run.folder / f"{name}.log")
            for name in names
        )
        self.port = self._gateway.port
        self.processes: Mapping[str, int] = {}

    def start(self, *, gateway: frozenset[int], broker: frozenset[int]) -> None:
        """Start RabbitMQ and the gateway on the cores given, and all else on the caller's."""
        self._secrets.make()
        _at_once(lambda: self._start_broker(broker), self._start_database, self._redis.start)
        _at_once(self._auth.start, self._rooms.start, lambda: self._start_gateway(gateway))
        self.processes = {"gateway": pid_of(self._gateway), "broker": pid_of(self._rabbitmq)}

    @property
    def amqp_url(self) -> str:
        """Where the log is."""
        return self._rabbitmq.vhost_url(VHOST)

    @override
    def prepare(self, demand: Demand, deadline: Deadline) -> MadangPlacement:
        accounts = make_accounts(demand.users, self._secrets.signing_keys)
        rooms = insert_rooms(self._mariadb.url, demand, accounts)
        return MadangPlacement(self.port, demand, accounts, rooms)

    @override
    def last_words(self) -> str:
        return self._gateway.log_tail()

    def _start_broker(self, cores: frozenset[int]) -> None:
        with pinned(cores):
            self._rabbitmq.start()
        self._rabbitmq.create_vhost(VHOST)

    def _start_database(self) -> None:
        self._mariadb.start()
        migrate(self._settings_of("rooms"))

    def _start_gateway(self, cores: frozenset[int]) -> None:
        with pinned(cores):
            self._gateway.start()

    def _settings_of(self, service: str) -> dict[str, str]:
        """Return the environment of a service; all other settings are those of production."""
        return {
            # Where this very code is, in case it is not the code that is installed.
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **LIFTED_LIMITS,
            "MADANG_AMQP_URL": self.amqp_url,
            "MADANG_REDIS_URL": self._redis.url,
            "MADANG_DATABASE_URL": self._mariadb.url,
            "MADANG_AUTH_URL": self._auth.url,
            "MADANG_ROOMS_URL": self._rooms.url,
            "MADANG_HISTORY_URL": self._history_url,
            **self._secrets.settings_of(service),
        }


def _at_once(*steps: Callable[[], object]) -> None:
    """Do all steps at the same time; raise the first problem when all have ended."""
    with ThreadPoolExecutor(len(steps)) as pool:
        ended = [pool.submit(step) for step in steps]
    for step in ended:
        step.result()
