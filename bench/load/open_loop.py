"""A worker that sends on schedule, without waiting for answers, and times each answer.

A message is timed from when it was due, not from when it was sent: what waits because the server or
this process was busy has waited all the same.
"""

import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import cycle
from multiprocessing.connection import Connection

from typing_extensions import override

from bench.load.job import GO, REPORT, Counters, Job
from bench.load.worker import Worker, work_as


def tick(job: Job, counters: Counters, orders: Connection) -> None:
    """Open the connections, report READY, and send a message each `interval_seconds`."""
    work_as(OpenLoop, job, counters, orders)


def read_report(report: bytes) -> Iterator[tuple[float, float]]:
    """Yield when each message was due, and how long after that it was answered."""
    numbers = array("d", report)
    yield from zip(numbers[::2], numbers[1::2], strict=True)


class OpenLoop(Worker):
    """The loop, with a clock."""

    def __init__(
        self, job: Job, counters: Counters, orders: Connection, sockets: list[socket.socket]
    ) -> None:
        super().__init__(job, counters, orders, sockets)
        self._waiting: dict[int, deque[float]] = {handle: deque() for handle in self._clients}
        self._order = cycle(self._clients)
        self._due = 0.0
        self._times = array("d")

    @override
    def run(self) -> None:
        while True:
            rest = self._due - time.monotonic() if self._talking else None
            # epoll itself waits whole milliseconds.
            select.select([self._poll], [], [], None if rest is None else max(0.0, rest))
            self.look(0)
            while self._talking and self._due <= time.monotonic():
                handle = next(self._order)
                self._waiting[handle].append(self._due)
                self.say(handle, 1)
                self._due += self._job.interval_seconds

    @override
    def obey(self, order: str) -> None:
        if order == REPORT:
            self._orders.send_bytes(self._times.tobytes())
            return
        self._talking = order == GO
        self._due = time.monotonic()

    @override
    def heard(self, handle: int, marks: int) -> None:
        now = time.monotonic()
        waiting = self._waiting[handle]
        for _ in range(min(marks, len(waiting))):
            due = waiting.popleft()
            self._times.extend((due, now - due))
