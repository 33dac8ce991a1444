"""All of the load generator, as one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.connect_storm import rush
from bench.load.job import GO, STOP, Job, Tally
from bench.load.open_loop import read_report, tick
from bench.load.reconnect_storm import CUT, Returned, come_back, read_comeback
from bench.load.worker import work
from bench.load.workers import Crew
from bench.virtual_client import Crowd, Seat

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
    """Connections that are open and can be told to talk."""

    def __init__(self, crew: Crew, copies: int) -> None:
        self._crew = crew
        self._copies = copies
        self.processes = len(crew)

    def talk(self) -> None:
        """Let those who talk keep their messages in flight from now on."""
        self._crew.tell(GO)

    def read(self) -> Reading:
        """Return what has been counted so far."""
        return Reading(
            at=time.monotonic(),
            sent=self._crew.total(Tally.SENT),
            seen=self._crew.total(Tally.SEEN),
            closed=self._crew.total(Tally.CLOSED),
            cpu_seconds=self._crew.cpu_seconds(),
        )

    def await_seen(self, count: int, deadline: Deadline) -> None:
        """Return when so many have been counted."""
        while (seen := self._crew.total(Tally.SEEN)) < count:
            self._crew.check()
            deadline.pause(f"{count - seen} of {count} to be counted")

    def latencies(self) -> list[tuple[float, float]]:
        """Return, for each message, when it was due and how long after that it was answered."""
        return [timed for report in self._crew.reports() for timed in read_report(report)]

    def cut(self) -> None:
        """Let those who come back lose all their connections now."""
        self._crew.tell(CUT)

    def returned(self) -> list[Returned]:
        """Return what those who come back went through; nothing about their order."""
        return [one for report in self._crew.reports() for one in read_comeback(report)]

    def hush(self, deadline: Deadline) -> None:
        """Stop talking, and return when every copy of every message has arrived.

        Raise BenchError if one is missing or too much: then the count does not mean what it says.
        """
        self._crew.tell(STOP)
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
    crowd: Crowd,
    *,
    processes: int,
    deadline: Deadline,
    per_second: float = 0.0,
) -> Iterator[Generator]:
    """Open a crowd's connections from `processes` processes, and close them at the end.

    Who listens is seated before anybody who talks, and lives in other processes. With `per_second`
    those who talk keep to a schedule, whatever comes back, instead of a number in flight.
    """
    listeners = tuple(seat for seat in crowd.seats if not seat.in_flight)
    talkers = tuple(seat for seat in crowd.seats if seat.in_flight)
    pause = _LISTENER_PAUSE_SECONDS
    listening = [Job(port, h, crowd.mark, pause_seconds=pause) for h in _deal(listeners, processes)]
    hands = _deal(talkers, processes)
    interval = len(hands) / per_second if per_second else 0.0
    talking = [Job(port, hand, crowd.mark, interval_seconds=interval) for hand in hands]
    crew = Crew(most=2 * processes)
    try:
        crew.hire(work, listening, deadline)
        crew.hire(tick if per_second else work, talking, deadline)
        yield Generator(crew, crowd.copies)
    finally:
        crew.end()


def _deal(seats: tuple[Seat, ...], hands: int) -> list[tuple[Seat, ...]]:
    """Deal seats out evenly; nobody gets an empty hand."""
    return [hand for hand in (seats[start::hands] for start in range(hands)) if hand]


@contextmanager
def rushing(
    port: int, seats: tuple[Seat, ...], *, processes: int, at_once: int, deadline: Deadline
) -> Iterator[Generator]:
    """Be ready to open connections, `at_once` at the same time; `talk` begins."""
    hands = _deal(seats, processes)
    crew = Crew(most=processes)
    try:
        jobs = [Job(port, hand, at_once=at_once // len(hands)) for hand in hands]
        crew.hire(rush, jobs, deadline)
        yield Generator(crew, copies=1)
    finally:
        crew.end()


@contextmanager
def returning(
    port: int, seats: tuple[Seat, ...], *, processes: int, deadline: Deadline
) -> Iterator[Generator]:
    """Let listeners connect, and come back with `since` whenever they lose their connections."""
    crew = Crew(most=processes)
    try:
        crew.hire(come_back, [Job(port, hand) for hand in _deal(seats, processes)], deadline)
        yield Generator(crew, copies=1)
    finally:
        crew.end()
