"""A server under test: a private process with a folder of its own."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.machine import Cores, pinned
from bench.sides.port import Seating, Side

ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 10
_REST_SECONDS = 15
_REST_LOOK_SECONDS = 0.25
_REST_BUSY = 0.05
_LAST_LOG_BYTES = 2000


class Server:
    """One running process."""

    def __init__(self, side: Side, process: subprocess.Popen[bytes], port: int) -> None:
        self.side = side
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._watched = psutil.Process(process.pid)

    def furnish(self, *, users: int, rooms: int, deadline: Deadline) -> Seating:
        """Make users and rooms, and wait until what that set in motion is over."""
        seating = self.side.furnish(self.url, users=users, rooms=rooms, deadline=deadline)
        self.rest()
        return seating

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        used = self._watched.cpu_times()
        return float(used.user + used.system)

    def rss_bytes(self) -> int:
        """Return the memory resident now."""
        return int(self._watched.memory_info().rss)

    def rest(self) -> None:
        """Wait until it does next to nothing, so that it does not disturb the other side's turn."""
        end = time.monotonic() + _REST_SECONDS
        while time.monotonic() < end:
            before = self.cpu_seconds()
            time.sleep(_REST_LOOK_SECONDS)
            if self.cpu_seconds() - before < _REST_BUSY * _REST_LOOK_SECONDS:
                return
        raise BenchError(f"{self.side.title} is still busy {_REST_SECONDS} s after the load")


@contextmanager
def serving(side: Side, cores: Cores, deadline: Deadline) -> Iterator[Server]:
    """Start a server, yield it when it says that it is ready, and stop it."""
    with tempfile.TemporaryDirectory(prefix=f"bench-{side.name}-") as name:
        folder = Path(name)
        port = _free_port()
        with (folder / "log").open("wb") as log, pinned(cores.server):
            process = subprocess.Popen(
                side.command(port),
                cwd=ROOT,
                env=os.environ | side.environment(port, folder / "data"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            server = Server(side, process, port)
            try:
                _await_ready(server, process, deadline)
                yield server
            except (BenchError, httpx.HTTPError) as error:
                raise BenchError(f"{side.title}: {error}{_last_words(folder / 'log')}") from error
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _await_ready(server: Server, process: subprocess.Popen[bytes], deadline: Deadline) -> None:
    while process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health/ready", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        deadline.pause("the server to be ready")
    raise BenchError(f"the server ended with {process.returncode} before it was ready")


def _last_words(log: Path) -> str:
    """Return the end of what the server wrote, to be appended to an error."""
    written = log.read_bytes()[-_LAST_LOG_BYTES:].decode(errors="replace").strip()
    return f"\n{written}" if written else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
