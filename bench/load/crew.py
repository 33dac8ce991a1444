"""The generator's processes: started, told, ended."""

import ctypes
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import psutil

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.worker import READY, Job, Tally, work
from bench.seat import Seat

_END_SECONDS = 5.0
_SPAWN = multiprocessing.get_context("spawn")


class Crew:
    """Processes that share one array of tallies."""

    def __init__(self, port: int, mark: bytes, most: int) -> None:
        self._port = port
        self._mark = mark
        self._tallies = _SPAWN.RawArray(ctypes.c_longlong, most * len(Tally))
        self._processes: list[SpawnProcess] = []
        self._orders: list[Connection] = []

    def seat(
        self, groups: Sequence[tuple[Seat, ...]], pause_seconds: float, deadline: Deadline
    ) -> None:
        """Start a process for each group, and return when all of its connections are open."""
        new: list[Connection] = []
        for seats in groups:
            first = len(self._processes) * len(Tally)
            job = Job(self._port, seats, self._mark, first, pause_seconds)
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(target=work, args=(job, self._tallies, theirs), daemon=True)
            self._orders.append(ours)
            self._processes.append(process)
            process.start()
            theirs.close()
            new.append(ours)
        for orders in new:
            _await_ready(orders, deadline)

    def tell(self, order: str) -> None:
        """Give everybody an order."""
        for orders in self._orders:
            orders.send(order)

    def total(self, tally: Tally) -> int:
        """Return what all have counted."""
        return sum(self._tallies[tally :: len(Tally)])

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
