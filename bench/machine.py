"""The machine that the figures come from, and the use of its cores."""

import os
import platform
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.failure import BenchError


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores for the server under test and for the load generator."""

    server: frozenset[int]
    generator: frozenset[int]

    @property
    def apart(self) -> bool:
        """True if neither takes time from the other."""
        return not self.server & self.generator


def share_cores() -> Cores:
    """Give the server one core and the generator all others; both the same if there is one."""
    usable = sorted(os.sched_getaffinity(0))
    server, rest = usable[:1], usable[1:]
    return Cores(frozenset(server), frozenset(rest or server))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Let processes that are started inside run on `cores`: affinity is inherited."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move(process: int, cores: Iterable[int]) -> None:
    """Let all threads of a process that runs, and those that they start, run on `cores`."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def core_seconds(cores: frozenset[int]) -> float:
    """Return the busy time of `cores` so far, by all processes."""
    usage = psutil.cpu_times(percpu=True)
    return float(sum(sum(usage[core]) - usage[core].idle - usage[core].iowait for core in cores))


def allow_open_files(needed: int) -> None:
    """Raise the limit of open files, which server and generator inherit, to `needed`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(f"{needed} open files are needed, {hard} allowed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def describe(cores: Cores, folder: Path) -> dict[str, object]:
    """Return a description of the machine; `folder` holds the servers' data."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "server_cores": sorted(cores.server),
        "generator_cores": sorted(cores.generator),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Return the kind of file system that `folder` is on: an fsync on tmpfs costs nothing."""
    real = folder.resolve()
    mounts = [p for p in psutil.disk_partitions(all=True) if real.is_relative_to(p.mountpoint)]
    return max(mounts, key=lambda p: len(p.mountpoint)).fstype if mounts else "unknown"
