"""All of the load generator, as one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.deadline import Deadline
from bench.failure import BenchError
from bench.load.crew import Crew
from bench.load.worker import GO, STOP, Tally
from bench.seat import Crowd, Seat

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
    port: int, crowd: Crowd, *, processes: int, deadline: Deadline
) -> Iterator[Generator]:
    """Open a crowd's connections from `processes` processes, and close them at the end.

    Who listens is seated before anybody who talks, and lives in other processes.
    """
    listeners = tuple(seat for seat in crowd.seats if not seat.in_flight)
    talkers = tuple(seat for seat in crowd.seats if seat.in_flight)
    crew = Crew(port, crowd.mark, most=2 * processes)
    try:
        crew.seat(_deal(listeners, processes), _LISTENER_PAUSE_SECONDS, deadline)
        crew.seat(_deal(talkers, processes), 0.0, deadline)
        yield Generator(crew, crowd.copies)
    finally:
        crew.end()


def _deal(seats: tuple[Seat, ...], hands: int) -> list[tuple[Seat, ...]]:
    """Deal seats out evenly; nobody gets an empty hand."""
    return [hand for hand in (seats[start::hands] for start in range(hands)) if hand]
