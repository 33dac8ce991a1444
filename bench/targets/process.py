"""A chat that is a single process, with a folder of its own."""

import os
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from typing_extensions import override

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.machine import Cores, pinned
from bench.targets.port import Demand, Placement, Running, Target
from stack.servers.ports import answers, free_port

ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 10
_LAST_LOG_BYTES = 2000


class OneProcess(Target):
    """A target that is one process: its command, and how to prepare it."""

    health: str | None = "/health/ready"
    """Path that answers once it serves; None if a server that takes connections serves."""

    @abstractmethod
    def command(self, port: int, folder: Path) -> list[str]:
        """Return the command that serves on `port`; `folder` is there for its files."""

    @abstractmethod
    def prepare(self, url: str, demand: Demand, deadline: Deadline) -> Placement:
        """Make users and rooms on the server at `url`."""

    def environment(self, port: int, folder: Path) -> dict[str, str]:  # noqa: ARG002 - most have none
        """Return the variables that the command needs."""
        return {}

    @override
    @contextmanager
    def running(self, cores: Cores, deadline: Deadline) -> Iterator[Running]:
        with tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-") as name:
            folder = Path(name)
            port = free_port()
            with (folder / "log").open("wb") as log, pinned(cores.server):
                process = subprocess.Popen(
                    self.command(port, folder),
                    cwd=ROOT,
                    env=os.environ | self.environment(port, folder),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            running = RunningProcess(self, process, port, folder / "log")
            try:
                running.await_ready(deadline)
                yield running
            finally:
                _stop(process)


class RunningProcess(Running):
    """The process, and the file that it logs to."""

    def __init__(
        self, target: OneProcess, process: subprocess.Popen[bytes], port: int, log: Path
    ) -> None:
        self.port = port
        self.processes: Mapping[str, int] = {"server": process.pid}
        self._target = target
        self._process = process
        self._log = log

    @override
    def prepare(self, demand: Demand, deadline: Deadline) -> Placement:
        return self._target.prepare(self._url, demand, deadline)

    @override
    def last_words(self) -> str:
        return self._log.read_bytes()[-_LAST_LOG_BYTES:].decode(errors="replace").strip()

    def await_ready(self, deadline: Deadline) -> None:
        """Return when the process serves; raise BenchError with its log if it ends."""
        while self._process.poll() is None:
            if self._serves():
                return
            deadline.pause(f"{self._target.title} to be ready")
        raise BenchError(f"{self._target.title} ended before it was ready\n{self.last_words()}")

    def _serves(self) -> bool:
        if self._target.health is None:
            return answers(self.port)
        try:
            return httpx.get(f"{self._url}{self._target.health}", timeout=2).is_success
        except httpx.TransportError:
            return False

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
