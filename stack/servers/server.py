"""The base of every private server: a folder, ports, processes and a readiness probe."""

import json
import secrets
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from stack.servers.deadline import wait_until
from stack.servers.ports import answers, free_port
from stack.servers.processes import ProcessFile, Recorded
from stack.servers.secret_file import write_secret

BARE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_TAIL = 4000
_FREEZE_SECONDS = 20


class ServerNotReadyError(Exception):
    """A server ended or did not answer in time; the message ends with its log."""


class Server(ABC):
    """A server that keeps everything in one folder, and starts again there as it was.

    Any process may open the folder with this class and ask, stop, kill or start the server in it;
    two must not start it at the same time.
    """

    name: str
    """Its name in messages and log files."""
    port_names: ClassVar[tuple[str, ...]] = ("main",)
    """Names of the ports it needs."""
    start_seconds: ClassVar[float] = 60
    """Longest time from its start to its answer."""
    stop_seconds: ClassVar[float] = 20
    """Longest time that it has to stop before it is killed."""

    def __init__(self, folder: Path, *, log_file: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.log_file = log_file or self.folder / f"{self.name}.log"
        """Everything that its processes logged."""
        self.processes = ProcessFile(self.folder / "processes.json")

    @property
    def port(self) -> int:
        """Where clients reach it on the loopback address."""
        return self.ports["main"]

    @property
    def ports(self) -> Mapping[str, int]:
        """Its ports by name, the same at every start."""
        ports: dict[str, int] = self._identity["ports"]
        return ports

    @property
    def known(self) -> bool:
        """Whether it has its ports already, from another time."""
        return self._identity_file.exists()

    def choose_port(self, name: str, port: int) -> None:
        """Have it listen there from its next start on, instead of on a free port."""
        write_secret(
            self._identity_file,
            json.dumps(self._identity | {"ports": {**self.ports, name: port}}),
        )
        del self._identity

    @property
    def password(self) -> str:
        """Its own random password."""
        return str(self._identity["password"])

    @property
    def process(self) -> Recorded | None:
        """Its main process, if it runs."""
        return self.processes.alive("main")

    def start(self) -> None:
        """Start it and return when it answers."""
        if self.process is not None:
            raise RuntimeError(f"{self.name} runs already in {self.folder}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        self.launch()
        self.await_answer()

    def stop(self) -> bool:
        """Ask it to stop, kill it if it does not, and return whether asking was enough."""
        return self._end(grace_seconds=self.stop_seconds)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end(grace_seconds=0)

    def restart(self) -> None:
        """Stop it and start it again on the same ports and data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze its main process: connections stay open and nothing answers."""
        process = self._running()
        process.send(signal.SIGSTOP)
        if not wait_until(lambda: process.frozen, seconds=_FREEZE_SECONDS):
            raise TimeoutError(f"{self.name} still runs after SIGSTOP")

    def resume(self) -> None:
        """Let its main process go on."""
        self._running().send(signal.SIGCONT)

    @abstractmethod
    def prepare(self) -> None:
        """Write its configuration and, the first time, make its data."""

    @abstractmethod
    def launch(self) -> None:
        """Start its processes, without waiting for them."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Ask it in its own protocol whether it serves."""

    def await_answer(self) -> None:
        """Return when it serves; raise ServerError with its log if it ends or takes too long."""

        def ready_or_dead() -> bool:
            # To knock costs nothing; to ask takes time from those who are starting.
            listens = not self.port_names or answers(self.port)
            return self.process is None or (listens and self.is_ready())

        answered = wait_until(ready_or_dead, seconds=self.start_seconds)
        if answered and self.process is not None:
            return
        what = "did not answer in time" if self.process is not None else "ended while starting"
        self.kill()
        raise ServerNotReadyError(f"{self.name} {what} in {self.folder}:\n{self.log_tail()}")

    def run(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> None:
        """Start one of its processes with a bare environment and `env`."""
        environment = self.bare_environment | dict(env or {})
        self.processes.start(name, command, log=self.log_file, env=environment)

    @property
    def bare_environment(self) -> dict[str, str]:
        """The variables that each of its processes has."""
        return {"PATH": BARE_PATH, "LANG": "C.UTF-8", "HOME": str(self.folder)}

    def log_tail(self) -> str:
        """Return the end of its log."""
        if not self.log_file.exists():
            return "(it logged nothing)"
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]

    def _end(self, *, grace_seconds: float) -> bool:
        asked = True
        for name, process in sorted(self.processes.read().items(), key=lambda item: item[0]):
            ended = process.end(grace_seconds=grace_seconds)
            asked = asked and (ended or name != "main")
        return asked

    def _running(self) -> Recorded:
        process = self.process
        if process is None:
            raise RuntimeError(f"{self.name} does not run in {self.folder}")
        return process

    @property
    def _identity_file(self) -> Path:
        return self.folder / "identity.json"

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """Its ports and password, which last as long as the server."""
        path = self._identity_file
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            ports = {name: free_port() for name in self.port_names}
            made = {"ports": ports, "password": secrets.token_urlsafe(24)}
            write_secret(path, json.dumps(made))
        identity: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return identity
