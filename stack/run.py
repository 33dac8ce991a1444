"""The servers of one test run: shared by all its workers, and gone however it ends."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from filelock import FileLock
from typing_extensions import override

from stack.launching import Launched, Launcher
from stack.preloaded import Preloaded
from stack.servers.processes import ProcessFile, Recorded, Streams
from stack.servers.server import Server

_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 180
"""Longest wait for another worker that is starting the same server."""

_S = TypeVar("_S", bound=Server)


@dataclass(frozen=True)
class ServerRun:
    """A folder of servers that belong to one process, the run's controller."""

    folder: Path
    owner: int
    """Process whose end is the end of all these servers."""

    @classmethod
    def begin(cls) -> Self:
        """Make the run of this process, without any server yet."""
        # Made with the first server: most runs have none.
        name = f"madang-servers-{secrets.token_hex(8)}"
        return cls(Path(tempfile.gettempdir()) / name, os.getpid())

    def shared(self, kind: type[_S]) -> _S:
        """Return the run's one server of that kind; start it on first use."""
        server = kind(self.folder / kind.name)
        self.watch()
        with FileLock(self.folder / f"{kind.name}.lock", timeout=_START_SECONDS):
            if server.process is None:
                server.start()
        return server

    def private(self, kind: type[_S], name: str) -> _S:
        """Return a server of one's own, not started; `name` is unlike any other's in this run."""
        self.watch()
        return kind(self.folder / name)

    def watch(self) -> None:
        """Make the folder, and see to it that its servers end even if the owner is killed."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        keeper = self._keeper
        with FileLock(self.folder / "keeper.lock", timeout=_START_SECONDS):
            if keeper.alive("main") is None:
                keeper.start(
                    "main",
                    [sys.executable, "-m", "stack.keeper", str(self.owner), self.folder],
                    log=self.folder / "keeper.log",
                    env={"PYTHONPATH": str(_ROOT)},
                )

    def preloaded(self) -> Preloaded:
        """Return the run's process that has the services imported; start it on first use."""
        self.watch()
        folder = self.folder / "preloaded"
        with FileLock(self.folder / "preloaded.lock", timeout=_START_SECONDS):
            if not folder.exists():
                folder.mkdir()
                return Preloaded.begin(folder)
        return Preloaded(folder)

    def end(self, *, logs_to: Path | None = None) -> None:
        """Copy the logs, then stop every server of the run and remove its data."""
        for keeper in self._keeper.read().values():
            if keeper.pid != os.getpid():
                keeper.end(grace_seconds=0)
        end_processes(self.folder)
        if logs_to is not None:
            self._copy_logs(logs_to)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _copy_logs(self, place: Path) -> None:
        for log in self.folder.rglob("*.log"):
            if log.stat().st_size:
                copy = place / log.relative_to(self.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, copy)

    @property
    def _keeper(self) -> ProcessFile:
        return ProcessFile(self.folder / "keeper.json")


class PreloadedOfRun(Launcher):
    """Starts what a run starts by forking; the process that forks begins with the first."""

    def __init__(self, run: ServerRun) -> None:
        self._run = run

    @override
    def start(
        self, module: str, *arguments: str, env: Mapping[str, str], streams: Streams
    ) -> Launched:
        return self._run.preloaded().start(module, *arguments, env=env, streams=streams)


def end_processes(folder: Path) -> None:
    """End every process that is written down anywhere below `folder`."""
    for process in _recorded(folder):
        process.end(grace_seconds=0)


def _recorded(folder: Path) -> list[Recorded]:
    files = (ProcessFile(path) for path in folder.rglob("processes.json"))
    return [process for file in files for process in file.read().values()]
