"""How a module of the product becomes a process."""

import os
import select
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from typing_extensions import override

from stack.servers.processes import Streams, collect, spawn


class Launched:
    """A process that was started."""

    def __init__(self, pid: int, wait: Callable[[float], int]) -> None:
        self.pid = pid
        self._wait = wait
        self._status: int | None = None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless its exit status is known."""
        if self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Return its exit status, negative after a signal; raise TimeoutError if it runs on."""
        if self._status is None:
            self._status = self._wait(seconds)
        return self._status


class Launcher(ABC):
    """A way to start modules of the product."""

    @abstractmethod
    def start(
        self, module: str, *arguments: str, env: Mapping[str, str], streams: Streams
    ) -> Launched:
        """Run `python -m MODULE` with the environment `env`, in a session of its own."""


class Interpreter(Launcher):
    """Starts an interpreter for each."""

    @override
    def start(
        self, module: str, *arguments: str, env: Mapping[str, str], streams: Streams
    ) -> Launched:
        pid = spawn([sys.executable, "-m", module, *arguments], env=env, streams=streams)

        def wait(seconds: float) -> int:
            ended = os.pidfd_open(pid)
            try:
                if not select.select([ended], [], [], seconds)[0]:
                    raise TimeoutError(f"process {pid} still runs after {seconds} s")
            finally:
                os.close(ended)
            return collect(pid)

        return Launched(pid, wait)


@dataclass
class _Current:
    """The launcher of this process."""

    launcher: Launcher


_current = _Current(Interpreter())


def set_launcher(launcher: Launcher) -> None:
    """Set the launcher for all processes started from now on."""
    _current.launcher = launcher


def launch(module: str, *arguments: str, env: Mapping[str, str], streams: Streams) -> Launched:
    """Run `python -m MODULE` with the current launcher; see `Launcher.start`."""
    return _current.launcher.start(module, *arguments, env=env, streams=streams)


@dataclass(frozen=True)
class Ended:
    """What a process left behind."""

    status: int
    """Its exit status, negative after a signal."""
    out: str
    errors: str


def run(
    module: str, *arguments: str, env: Mapping[str, str], seconds: float, given: str = ""
) -> Ended:
    """Run `python -m MODULE` to its end, with `given` on stdin; kill it if that takes too long."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as stdin,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        stdin.write(given)
        stdin.seek(0)
        streams = stdin.fileno(), out.fileno(), errors.fileno()
        process = launch(module, *arguments, env=env, streams=streams)
        try:
            status = process.wait(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
        out.seek(0)
        errors.seek(0)
        return Ended(status, out.read(), errors.read())
