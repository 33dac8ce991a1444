"""All of the load generator, as one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.connect_storm import connect_storm
from bench.load.job import GO, STOP, Counter, Job
from bench.load.open_loop import read_report, tick
from bench.load.reconnect_storm import CUT, ReconnectRecord, read_reconnect_storm, reconnect_storm
from bench.load.worker import work
from bench.load.workers import Workers
from bench.virtual_client import ClientGroup, VirtualClient

_LISTENER_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Reading:
    """The generator at one moment."""

    at: float
    """Monotonic seconds."""
    sent: int
    seen: int
    closed: int
    """Connections that the server has closed."""
    cpu_seconds: float


class Generator:
    """Open connections that send when ordered to."""

    def __init__(self, workers: Workers, copies: int) -> None:
        self._workers = workers
        self._copies = copies
        self.processes = len(workers)

    def talk(self) -> None:
        """Start sending: each sender keeps its messages in flight."""
        self._workers.tell(GO)

    def read(self) -> Reading:
        """Return the counters as they are now."""
        return Reading(
            at=time.monotonic(),
            sent=self._workers.total(Counter.SENT),
            seen=self._workers.total(Counter.SEEN),
            closed=self._workers.total(Counter.CLOSED),
            cpu_seconds=self._workers.cpu_seconds(),
        )

    def await_seen(self, count: int, deadline: Deadline) -> None:
        """Return when so many have been counted."""
        while (seen := self._workers.total(Counter.SEEN)) < count:
            self._workers.check()
            deadline.pause(f"{count - seen} of {count} to be counted")

    def latencies(self) -> list[tuple[float, float]]:
        """Return, for each message, when it was due and how long after that it was answered."""
        return [timed for report in self._workers.reports() for timed in read_report(report)]

    def cut(self) -> None:
        """Cut all connections of the reconnecting clients."""
        self._workers.tell(CUT)

    def returned(self) -> list[ReconnectRecord]:
        """Return the records of the reconnecting clients, in no particular order."""
        return [one for report in self._workers.reports() for one in read_reconnect_storm(report)]

    def stop_sending(self, deadline: Deadline) -> None:
        """Stop talking, and return when every copy of every message has arrived.

        Raise BenchError if one is missing or too much: then the count does not mean what it says.
        """
        self._workers.tell(STOP)
        before: Reading | None = None
        while True:
            now = self.read()
            due = now.sent * self._copies
            # A worker may still be sending what it had begun when the order came: look twice.
            if before and before.sent == now.sent:
                if now.closed or now.seen > due:
                    raise BenchError(f"{now.seen} frames of {due}, {now.closed} closed")
                if now.seen == due:
                    return
            before = now
            deadline.pause(f"{due - now.seen} frames of {due}")


@contextmanager
def generating(
    port: int,
    group: ClientGroup,
    *,
    processes: int,
    deadline: Deadline,
    per_second: float = 0.0,
) -> Iterator[Generator]:
    """Open a group's connections from `processes` processes, and close them at the end.

    Who listens is seated before anybody who talks, and lives in other processes. With `per_second`
    those who talk keep to a schedule, whatever comes back, instead of a number in flight.
    """
    listeners = tuple(client for client in group.clients if not client.in_flight)
    talkers = tuple(client for client in group.clients if client.in_flight)
    pause = _LISTENER_PAUSE_SECONDS
    listening = [Job(port, h, group.mark, pause_seconds=pause) for h in _deal(listeners, processes)]
    hands = _deal(talkers, processes)
    interval = len(hands) / per_second if per_second else 0.0
    talking = [Job(port, hand, group.mark, interval_seconds=interval) for hand in hands]
    workers = Workers(most=2 * processes)
    try:
        workers.start(work, listening, deadline)
        workers.start(tick if per_second else work, talking, deadline)
        yield Generator(workers, group.copies)
    finally:
        workers.end()


def _deal(clients: tuple[VirtualClient, ...], hands: int) -> list[tuple[VirtualClient, ...]]:
    """Distribute clients evenly over at most `hands` processes, none of them empty."""
    return [hand for hand in (clients[start::hands] for start in range(hands)) if hand]


@contextmanager
def connect_storm_of(
    port: int,
    clients: tuple[VirtualClient, ...],
    *,
    processes: int,
    at_once: int,
    deadline: Deadline,
) -> Iterator[Generator]:
    """Be ready to open connections, `at_once` at the same time; `talk` begins."""
    hands = _deal(clients, processes)
    workers = Workers(most=processes)
    try:
        jobs = [Job(port, hand, at_once=at_once // len(hands)) for hand in hands]
        workers.start(connect_storm, jobs, deadline)
        yield Generator(workers, copies=1)
    finally:
        workers.end()


@contextmanager
def reconnect_storm_of(
    port: int, clients: tuple[VirtualClient, ...], *, processes: int, deadline: Deadline
) -> Iterator[Generator]:
    """Connect listeners that reconnect with `since` whenever they lose the connection."""
    workers = Workers(most=processes)
    try:
        workers.start(
            reconnect_storm, [Job(port, hand) for hand in _deal(clients, processes)], deadline
        )
        yield Generator(workers, copies=1)
    finally:
        workers.end()
