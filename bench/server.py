"""A server under test, and its use of resources."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.machine import Cores
from bench.targets.port import Demand, Placement, Running, Target

_REST_SECONDS = 15
_REST_LOOK_SECONDS = 0.25
_REST_BUSY = 0.05
_LAST_WORDS = 1000


class Server:
    """A target that runs."""

    def __init__(self, target: Target, running: Running) -> None:
        self.target = target
        self.port = running.port
        self._running = running
        self._watched = {name: psutil.Process(pid) for name, pid in running.processes.items()}

    def prepare(self, demand: Demand, deadline: Deadline) -> Placement:
        """Create users and rooms, and wait until the server is idle again."""
        placement = self._running.prepare(demand, deadline)
        self.rest()
        return placement

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor time that each of its processes has used so far."""
        used = {name: process.cpu_times() for name, process in self._watched.items()}
        return {name: float(times.user + times.system) for name, times in used.items()}

    def rss_bytes(self) -> int:
        """Return the memory resident now of the process that has the connections."""
        holder = next(iter(self._watched.values()))
        return int(holder.memory_info().rss)

    def rest(self) -> None:
        """Wait until it is idle, so that it does not disturb the run of another target."""
        end = time.monotonic() + _REST_SECONDS
        while time.monotonic() < end:
            before = sum(self.cpu_seconds().values())
            time.sleep(_REST_LOOK_SECONDS)
            if sum(self.cpu_seconds().values()) - before < _REST_BUSY * _REST_LOOK_SECONDS:
                return
        raise BenchError(f"{self.target.title} is still busy {_REST_SECONDS} s after the load")


@contextmanager
def serving(target: Target, cores: Cores, deadline: Deadline) -> Iterator[Server]:
    """Start a target, yield it when it serves, and stop it."""
    with target.running(cores, deadline) as running:
        try:
            yield Server(target, running)
        except (BenchError, httpx.HTTPError) as error:
            told = f"{target.title}: {error}\n{running.last_words()[-_LAST_WORDS:]}"
            raise BenchError(told.rstrip()) from error
