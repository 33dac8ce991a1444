"""The full product on real servers: two replicas of every service behind nginx with TLS."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from filelock import FileLock

from stack.command import run_command
from stack.outside import unreached
from stack.proxies import Front, Inside
from stack.scraping import configure_scraping
from stack.secrets_of_stack import Secrets
from stack.server_users import ServerUsers
from stack.servers import Alertmanager, MariaDB, MongoDB, Prometheus, RabbitMQ, Redis, Server
from stack.servers.deadline import wait_until
from stack.servers.ports import is_free
from stack.servers.secret_file import write_secret
from stack.service import Service
from tests.support.proxy import make_certificate

_REPLICAS = 2
_OUTSIDE_SECONDS = 30
_LOCK_SECONDS = 300


class StackError(Exception):
    """The stack cannot do this; the message says why, and what to do."""


def _quietly(_: str) -> None:
    """Report nothing."""


class Stack:
    """The full product in one folder; every process of it can be stopped and started alone.

    Any process may open the folder and go on with it; `up` and `down` take turns.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.rabbitmq = RabbitMQ(self._place("rabbitmq"), log_file=self._log("rabbitmq"))
        self.mariadb = MariaDB(self._place("mariadb"), log_file=self._log("mariadb"))
        self.mongodb = MongoDB(self._place("mongodb"), log_file=self._log("mongodb"))
        self.redis = Redis(self._place("redis"), log_file=self._log("redis"))
        self.nginx = Front(self._place("nginx"), log_file=self._log("nginx"))
        self.inside = Inside(self._place("inside"), log_file=self._log("inside"))
        self.prometheus = Prometheus(self._place("prometheus"), log_file=self._log("prometheus"))
        self.alertmanager = Alertmanager(
            self._place("alertmanager"), log_file=self._log("alertmanager")
        )
        self.auth = self._replicas("auth")
        self.rooms = self._replicas("rooms")
        self.history = self._replicas("history")
        self.gateways = self._replicas("gateway")
        self._secrets = Secrets(self.folder / "secrets")
        self._users = ServerUsers(
            self.folder / "secrets", self.rabbitmq, self.mariadb, self.mongodb, self.redis
        )

    @property
    def url(self) -> str:
        """Where REST and the page are reached: `https://localhost:…`."""
        return self.nginx.url

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is reached: `wss://localhost:…/ws`."""
        return f"wss://localhost:{self.nginx.port}/ws"

    @property
    def ca(self) -> Path:
        """The certificate by which clients trust it."""
        return self.folder / "ca.pem"

    @property
    def services(self) -> list[Service]:
        """Every replica of every service."""
        return [*self.auth, *self.rooms, *self.history, *self.gateways]

    @property
    def servers(self) -> list[Server]:
        """Everything that runs and is no replica of a service."""
        data: list[Server] = [self.rabbitmq, self.mariadb, self.mongodb, self.redis]
        return [*data, self.inside, self.nginx, self.prometheus, self.alertmanager]

    @property
    def settings(self) -> dict[str, str]:
        """The `MADANG_…` variables that it was given for every service."""
        if not self._settings_file.exists():
            return {}
        given: dict[str, str] = json.loads(self._settings_file.read_text(encoding="utf-8"))
        return given

    @property
    def is_up(self) -> bool:
        """Whether every process runs."""
        return all(part.process is not None for part in (*self.servers, *self.services))

    def up(
        self,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = _quietly,
    ) -> None:
        """Start whatever does not run, and return when everything is reached from outside.

        `port` is nginx's, the last one or any free one if not given; `settings` are `MADANG_…`
        variables for every service; a change restarts the services that it concerns. Raise if
        something cannot start.
        """
        with self._turn():
            if settings is not None and settings != self.settings:
                self._stop(self._concerned(settings), report)
                write_secret(self._settings_file, json.dumps(dict(settings)))
            if port is not None and self.nginx.process is None:
                self._take(port)
            self._start_all(report)
            self._write_addresses()
            self._await_outside()

    def begin_epoch(self, *, epoch: int, shards: int) -> None:
        """Declare the log of `epoch`, which ends the one before, and restart the services in it.

        The first replica of each service that uses the log goes first, as in a rolling update.
        """
        with self._turn():
            log = {"MADANG_LOG_EPOCH": str(epoch), "MADANG_LOG_SHARDS": str(shards)}
            settings = self.settings | log
            self._users.set_up_log(settings)
            write_secret(self._settings_file, json.dumps(settings))
            for replicas in zip(self.gateways, self.rooms, self.history, strict=True):
                self._at_once({one.name: one.restart for one in replicas}, _quietly, "ready")
            self._await_outside()

    def start_rabbitmq(self) -> None:
        """Start RabbitMQ with its users, also on an empty folder, and declare nothing."""
        self._users.start_rabbitmq()

    def unreached(self) -> dict[str, str]:
        """Return which paths are not reached from outside, and why; nothing if all are."""
        return unreached(self.url, self.ca)

    def down(self, *, report: Callable[[str], None] = _quietly) -> None:
        """Stop every process, whatever state it is in; data and logs stay."""
        with self._turn():
            self._stop(self.services, report)
            self._stop(self.servers, report)

    def kill(self) -> None:
        """End every process with SIGKILL."""
        for part in (*self.services, *self.servers):
            part.kill()

    def heal(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Have everything run and be reached again, whatever was stopped, killed or paused."""
        for part in (*self.servers, *self.services):
            if part.process is not None:
                part.resume()
        self.up(settings=settings)

    def errors(self) -> dict[str, list[str]]:
        """Return the lines that services logged at level error, by process; none have no entry."""
        found = {service.name: service.errors() for service in self.services}
        return {name: lines for name, lines in found.items() if lines}

    def command(self, service: str, *arguments: str) -> str:
        """Run a command of a service and return its output; raise CommandError."""
        own = self._users.settings_of_command(service, arguments[0] if arguments else "")
        return run_command(service, *arguments, settings=self.settings_of(service) | own)

    def settings_of(self, service: str) -> dict[str, str]:
        """Return the environment that every replica of a service has."""
        return {
            "MADANG_LOG_FORMAT": "json",
            **self.settings,
            "MADANG_AUTH_URL": self.inside.url_of("auth"),
            "MADANG_ROOMS_URL": self.inside.url_of("rooms"),
            "MADANG_HISTORY_URL": self.inside.url_of("history"),
            "MADANG_PROXY_ADDRESSES": json.dumps(["127.0.0.1"]),
            **self._users.settings_of(service),
            **self._secrets.settings_of(service),
        }

    def _start_all(self, report: Callable[[str], None]) -> None:
        self._secrets.make()
        self._users.make()
        make_certificate(self.folder)
        replicas = {
            kind: [replica.address for replica in self.services if replica.kind == kind]
            for kind in ("auth", "rooms", "history", "gateway")
        }
        scraped = [f"127.0.0.1:{self.rabbitmq.ports['prometheus']}"]
        self.nginx.serve(replicas, self.folder)
        self.inside.serve(replicas)
        configure_scraping(self.prometheus, self.alertmanager, {**replicas, "rabbitmq": scraped})
        (self.folder / "logs").mkdir(exist_ok=True)
        first: dict[str, Callable[[], object]] = {
            "rabbitmq": self._users.start_rabbitmq,
            "mariadb": self._start_mariadb,
            "mongodb": self._users.start_mongodb,
        }
        self._start(self.servers, first, report)
        self._users.set_up_log(self.settings)
        self._start(self.services, {}, report)

    def _start(
        self,
        parts: list[Server] | list[Service],
        otherwise: Mapping[str, Callable[[], object]],
        report: Callable[[str], None],
    ) -> None:
        missing = [part for part in parts if part.process is None]
        steps = {part.name: otherwise.get(part.name, part.start) for part in missing}
        self._at_once(steps, report, "ready")

    def _concerned(self, settings: Mapping[str, str]) -> list[Service]:
        """Return the replicas that read a variable whose value `settings` would change."""
        before = self.settings
        names = before.keys() | settings.keys()
        changed = [name for name in names if before.get(name) != settings.get(name)]
        # A variable that is no setting is passed to all.
        for_all = any(not any(one.has(name) for one in self.services) for name in changed)
        return [one for one in self.services if for_all or any(map(one.has, changed))]

    def _stop(self, parts: list[Server] | list[Service], report: Callable[[str], None]) -> None:
        running = [part for part in parts if part.process is not None]
        self._at_once({part.name: part.stop for part in running}, report, "stopped")
        for part in parts:
            part.kill()  # what stands beside its main process

    def _start_mariadb(self) -> None:
        self._users.start_mariadb()
        self.command("rooms", "migrate")

    def _at_once(
        self,
        steps: Mapping[str, Callable[[], object]],
        report: Callable[[str], None],
        done: str,
    ) -> None:
        """Do all steps at the same time; raise the first problem when all have ended."""

        def step(name: str) -> None:
            begun = time.monotonic()
            steps[name]()
            report(f"{name} {done} ({time.monotonic() - begun:.1f} s)")

        if not steps:
            return
        with ThreadPoolExecutor(len(steps)) as pool:
            ended, _ = wait([pool.submit(step, name) for name in steps])
        for future in ended:
            future.result()

    def _await_outside(self) -> None:
        if not wait_until(lambda: not self.unreached(), seconds=_OUTSIDE_SECONDS):
            wrong = self.unreached()
            raise StackError(f"{self.url} does not answer as it should: {wrong}; see {self.folder}")

    def _take(self, port: int) -> None:
        if not is_free(port):
            raise StackError(
                f"port {port} is taken by another process; MADANG_STACK_PORT chooses another port"
            )
        self.nginx.choose_port("main", port)

    def _write_addresses(self) -> None:
        def entry(part: Server, address: str) -> dict[str, object]:
            process = part.process
            return {
                "address": address,
                "pid": None if process is None else process.pid,
                "log": str(part.log_file),
            }

        addresses = {part.name: entry(part, f"127.0.0.1:{part.port}") for part in self.servers}
        addresses |= {replica.name: entry(replica, replica.url) for replica in self.services}
        addresses["nginx"] = entry(self.nginx, self.url)
        text = json.dumps(addresses, indent=2) + "\n"
        (self.folder / "addresses.json").write_text(text, encoding="utf-8")

    def _replicas(self, kind: str) -> list[Service]:
        names = [f"{kind}-{number}" for number in range(1, _REPLICAS + 1)]
        return [
            Service(self._place(name), name, self.settings_of, log_file=self._log(name))
            for name in names
        ]

    def _turn(self) -> FileLock:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self.folder / "turn.lock", timeout=_LOCK_SECONDS)

    @property
    def _settings_file(self) -> Path:
        return self.folder / "settings.json"

    def _place(self, name: str) -> Path:
        return self.folder / "processes" / name

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"
