"""The generator's processes: start, order, stop."""

import ctypes
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import psutil

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.job import READY, REPORT, Counter, Counters, Job

_END_SECONDS = 5.0
_SPAWN = multiprocessing.get_context("spawn")

Work = Callable[[Job, Counters, Connection], None]
"""A process's function: it reports READY, then follows orders until their other end closes."""


class Workers:
    """Processes that share one array of counters."""

    def __init__(self, most: int) -> None:
        self._counters = _SPAWN.RawArray(ctypes.c_longlong, most * len(Counter))
        self._processes: list[SpawnProcess] = []
        self._orders: list[Connection] = []

    def start(self, work: Work, jobs: Sequence[Job], deadline: Deadline) -> None:
        """Start a process for each job, and return when all of them are ready."""
        new: list[Connection] = []
        for job in jobs:
            own = replace(job, first=len(self._processes) * len(Counter))
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=work, args=(own, self._counters, theirs), daemon=True)
            self._orders.append(ours)
            self._processes.append(process)
            process.start()
            theirs.close()
            new.append(ours)
        for orders in new:
            _await_ready(orders, deadline)

    def tell(self, order: str) -> None:
        """Send an order to every process."""
        for orders in self._orders:
            orders.send(order)

    def check(self) -> None:
        """Raise BenchError if a process has reported an error."""
        for orders in self._orders:
            if orders.poll():
                raise BenchError(str(orders.recv()))

    def reports(self) -> Iterator[bytes]:
        """Yield the report of each process."""
        self.tell(REPORT)
        for orders in self._orders:
            yield orders.recv_bytes()

    def total(self, counter: Counter) -> int:
        """Return a counter's sum over all processes."""
        return sum(self._counters[counter :: len(Counter)])

    def cpu_seconds(self) -> float:
        """Return the processor time all have used."""
        used = [psutil.Process(process.pid).cpu_times() for process in self._processes]
        return float(sum(times.user + times.system for times in used))

    def __len__(self) -> int:
        return len(self._processes)

    def end(self) -> None:
        """Close the orders, which ends a process that follows them; make sure of it."""
        for orders in self._orders:
            orders.close()
        for process in self._processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _await_ready(orders: Connection, deadline: Deadline) -> None:
    if not orders.poll(deadline.left("connections to open")):
        raise BenchError("connections did not open in time")
    try:
        answer = orders.recv()
    except EOFError as error:
        raise BenchError("a process of the load generator died") from error
    if answer != READY:
        raise BenchError(answer)
