"""Starts processes of the services by forking one that has imported them already.

To import a service takes seconds of a core, and a test run starts hundreds of them. What is forked
behaves as `python -m` of its module does, with an environment and standard streams of its own.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

from typing_extensions import override

from stack.launching import Launched, Launcher
from stack.servers.deadline import wait_until
from stack.servers.processes import ProcessFile, Streams

MODULES = (
    "madang_gateway",
    "madang_auth",
    "madang_rooms",
    "madang_history",
    "madang_standalone",
    "madang_client",
)
"""What it has imported."""

_MOST_BYTES = 200_000
"""Longest request: the environment is most of it."""
_MOST_WAITING = 64
_SOCKET = "socket"
_START_SECONDS = 20
_IMPORT_SECONDS = 120
"""Longest wait for the first process: the modules are imported before it, on a busy machine."""
_ROOT = Path(__file__).resolve().parents[1]
_STREAMS = 3


@dataclass(frozen=True)
class Preloaded(Launcher):
    """The process that forks; its socket and its log are in a folder."""

    folder: Path

    @classmethod
    def begin(cls, folder: Path) -> Self:
        """Start it; it goes on importing for seconds, and requests wait as long."""
        ProcessFile(folder / "processes.json").start(
            "main",
            [sys.executable, "-m", __name__, folder],
            log=folder / "preloaded.log",
            env={"PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8"},
        )
        found = (folder / _SOCKET).exists
        if not wait_until(found, seconds=_START_SECONDS):
            raise TimeoutError(f"nothing forks in {folder}")
        return cls(folder)

    @override
    def start(
        self, module: str, *arguments: str, env: Mapping[str, str], streams: Streams
    ) -> Launched:
        start = _Start(module, arguments, dict(env), str(Path.cwd()))
        request = json.dumps(asdict(start)).encode()
        if len(request) > _MOST_BYTES:
            raise ConnectionError(f"a request of {len(request)} bytes; at most {_MOST_BYTES}")
        with self._connection() as connection:
            socket.send_fds(connection, [request], streams)
            connection.settimeout(_IMPORT_SECONDS)
            pid = _reply(connection)
        return Launched(pid, partial(self._wait, pid))

    def _wait(self, pid: int, seconds: float) -> int:
        with self._connection() as connection:
            connection.settimeout(seconds)
            connection.send(str(pid).encode())
            return _reply(connection)

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(str(self.folder / _SOCKET))
        return connection


def _reply(connection: socket.socket) -> int:
    reply = connection.recv(_MOST_BYTES)
    if not reply:
        raise ConnectionError("the process that forks has ended or could not read the request")
    return int(reply)


@dataclass(frozen=True)
class _Start:
    """What shall run."""

    module: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    folder: str
    """Its working directory."""


def main(folder: Path) -> None:
    """Import the modules, then fork for every request; return only in a forked process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        beside = folder / f"{_SOCKET}.new"
        listener.bind(str(beside))
        listener.listen(_MOST_WAITING)
        beside.rename(folder / _SOCKET)  # who finds it can connect
        for name in MODULES:
            importlib.import_module(f"{name}.__main__")
            # `runpy` wants to run it for the first time.
            del sys.modules[f"{name}.__main__"]
        gc.collect()
        gc.freeze()  # so that collections copy none of the memory that all share
        start = _Forks(listener).serve()
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)


class _Forks:
    """Answers requests: to start a process, with its number; to wait for one, with its status."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._running: dict[int, int] = {}
        """Each process by the descriptor that tells of its end."""
        self._ended: dict[int, int] = {}
        """The exit status of each process."""
        self._waiting: dict[int, list[socket.socket]] = {}
        """Who waits for the end of each process."""

    def serve(self) -> _Start:
        """Answer requests; return one in the process that was forked for it."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._listener:
                    self._end(key.fd)
                elif (start := self._accept()) is not None:
                    return start

    def _accept(self) -> _Start | None:
        """Answer one request; return it in the process that was forked for it."""
        connection, _ = self._listener.accept()
        text, streams, _, _ = socket.recv_fds(connection, _MOST_BYTES, _STREAMS)
        try:
            request = json.loads(text)
        except ValueError:  # empty after the end of the client, or the beginning of a longer one
            connection.close()
            _close(streams)
            return None
        if isinstance(request, int):
            self._waiting.setdefault(request, []).append(connection)
            self._answer(request)
            return None
        return self._fork(_Start(**request), streams, connection)

    def _fork(
        self, start: _Start, streams: Sequence[int], connection: socket.socket
    ) -> _Start | None:
        """Fork, and tell the client the number; return `start` in the new process."""
        pid = os.fork()
        if pid == 0:
            connection.close()
            self._become(start, streams)
            return start
        _close(streams)
        self._ended.pop(pid, None)  # its number may have been another's before
        ended = os.pidfd_open(pid)
        self._running[ended] = pid
        self._selector.register(ended, selectors.EVENT_READ)
        _send(connection, pid)
        return None

    def _end(self, ended: int) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        pid, status = os.waitpid(self._running.pop(ended), 0)
        self._ended[pid] = os.waitstatus_to_exitcode(status)
        self._answer(pid)

    def _answer(self, pid: int) -> None:
        if pid in self._ended:
            for connection in self._waiting.pop(pid, []):
                _send(connection, self._ended[pid])

    def _become(self, start: _Start, streams: Sequence[int]) -> None:
        """Make the new process what `python -m` would have made."""
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        _close(streams)
        self._selector.close()
        for ended in self._running:
            os.close(ended)
        for connections in self._waiting.values():
            for connection in connections:
                connection.close()
        os.chdir(start.folder)
        os.environ.clear()
        os.environ.update(start.env)
        sys.argv = [start.module, *start.arguments]


def _send(connection: socket.socket, number: int) -> None:
    """Send the reply, unless the client has ended, and close the connection."""
    with connection, suppress(BrokenPipeError):
        connection.send(str(number).encode())


def _close(streams: Sequence[int]) -> None:
    for stream in streams:
        os.close(stream)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
