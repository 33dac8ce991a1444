"""Processes recorded in a folder, so that exactly these can be found and stopped."""

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stack.servers.deadline import wait_until

_KILLED_SECONDS = 10
_UNHANDLED = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores and its children should not."""

_children: set[int] = set()
"""Those that this process started itself: it has to collect their exit codes."""


Streams: TypeAlias = tuple[int, int, int]
"""Descriptors of stdin, stdout and stderr."""


@contextmanager
def streams_to(log: Path) -> Iterator[Streams]:
    """Give an empty stdin, and outputs that are appended to `log`."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    none = os.open(os.devnull, os.O_RDONLY)
    try:
        yield none, out, out
    finally:
        os.close(none)
        os.close(out)


def spawn(command: Sequence[str | Path], *, env: Mapping[str, str], streams: Streams) -> int:
    """Start a process in a session of its own; return its number."""
    # Not by subprocess, which warns of every process that outlives its caller.
    pid = os.posix_spawn(
        command[0],
        [str(argument) for argument in command],
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, streams[number], number) for number in range(3)],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESTORED,
    )
    _children.add(pid)
    return pid


def collect(pid: int) -> int:
    """Return the exit status of a process that was spawned here and has ended."""
    _children.discard(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@dataclass(frozen=True)
class Recorded:
    """One process: its number, and when it started, because numbers are used again."""

    pid: int
    started: int
    """Start time in clock ticks since boot, from /proc."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        alive = _start_of(self.pid) == self.started
        if not alive and self.pid in _children:
            collect(self.pid)
        return alive

    @property
    def frozen(self) -> bool:
        """Whether none of its threads runs: a while may pass until SIGSTOP has reached them all."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/stat")
        try:
            return all(_state_in(path.read_text(errors="replace")) == "T" for path in threads)
        except (FileNotFoundError, ProcessLookupError):
            return False  # one of them has just ended

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; also to its children if the signal cannot be handled."""
        if not self.alive:
            return
        with suppress(ProcessLookupError):
            if number in _UNHANDLED:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def end(self, *, grace_seconds: float) -> bool:
        """Ask it to end, kill it after `grace_seconds`, and return whether asking was enough."""
        if grace_seconds:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            if wait_until(lambda: not self.alive, seconds=grace_seconds):
                return True
        self.send(signal.SIGKILL)
        if not wait_until(lambda: not self.alive, seconds=_KILLED_SECONDS):
            raise TimeoutError(f"process {self.pid} is still there after SIGKILL")
        return False


@dataclass(frozen=True)
class ProcessFile:
    """The running processes of one folder, by name."""

    path: Path

    def start(
        self, name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str]
    ) -> Recorded:
        """Start a process with the environment `env`, record it, append its output to `log`."""
        with streams_to(log) as streams:
            return self.record(name, spawn(command, env=env, streams=streams))

    def record(self, name: str, pid: int) -> Recorded:
        """Record a process that has just been started."""
        started = _start_of(pid)
        process = Recorded(pid, -1 if started is None else started)
        self._write(self.read() | {name: process})
        return process

    def read(self) -> dict[str, Recorded]:
        """Return the recorded processes, alive or not."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        return {name: Recorded(**fields) for name, fields in json.loads(text).items()}

    def alive(self, name: str) -> Recorded | None:
        """Return the process of that name, if it runs."""
        process = self.read().get(name)
        return process if process is not None and process.alive else None

    def _write(self, processes: Mapping[str, Recorded]) -> None:
        fields = {name: vars(process) for name, process in processes.items()}
        beside = self.path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(fields), encoding="utf-8")
        beside.replace(self.path)


def _start_of(pid: int) -> int | None:
    """Return when a process started, or None if there is none or nothing but its exit code."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if _state_in(stat) in "ZX" else int(_fields(stat)[19])


def _state_in(stat: str) -> str:
    return _fields(stat)[0]


def _fields(stat: str) -> list[str]:
    """Return the fields after the process name, which may hold any character."""
    return stat.rpartition(")")[2].split()
