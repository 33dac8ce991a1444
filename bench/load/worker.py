"""One process of the generator: an epoll loop that counts marks and keeps messages in flight."""

import ctypes
import select
import socket
import time
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import Connection

from bench.failure import BenchError
from bench.load.opening import open_all
from bench.seat import Seat

READY = "ready"
GO = "go"
STOP = "stop"

_BUFFER_BYTES = 262_144


class Tally(IntEnum):
    """Where in its part of the shared array a worker counts what."""

    SENT = 0
    SEEN = 1
    CLOSED = 2


Tallies = ctypes.Array[ctypes.c_longlong]


@dataclass(frozen=True, slots=True)
class Job:
    """What one worker does."""

    port: int
    seats: tuple[Seat, ...]
    mark: bytes
    first: int
    """Index of its first tally in the shared array."""
    pause_seconds: float
    """Rest between looks: who only listens does better with a few large reads than many small."""


def work(job: Job, tallies: Tallies, orders: Connection) -> None:
    """Open the connections, say so, and count until the other end of `orders` closes."""
    try:
        sockets = list(open_all(job.port, job.seats))
    except (BenchError, OSError) as error:
        orders.send(str(error))
        return
    orders.send(READY)
    try:
        Worker(job, tallies, orders, sockets).run()
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        for connection in sockets:
            connection.close()


class Worker:
    """The loop."""

    def __init__(
        self, job: Job, tallies: Tallies, orders: Connection, sockets: list[socket.socket]
    ) -> None:
        self._job = job
        self._tallies = tallies
        self._orders = orders
        self._sockets = {connection.fileno(): connection for connection in sockets}
        self._seats = {
            c.fileno(): seat for c, seat in zip(sockets, job.seats, strict=True) if seat.in_flight
        }
        self._next = dict.fromkeys(self._seats, 0)
        self._talking = False
        # A mark of several bytes may come in two pieces: the end of the last one is kept in front.
        self._margin = len(job.mark) - 1
        self._ends = dict.fromkeys(self._sockets, bytes(self._margin))
        self._buffer = bytearray(_BUFFER_BYTES)
        self._free = memoryview(self._buffer)[self._margin :]
        self._poll = select.epoll()
        for handle in (orders.fileno(), *self._sockets):
            self._poll.register(handle, select.EPOLLIN)

    def run(self) -> None:
        """Follow orders until they end; raise EOFError then."""
        listening_for = self._orders.fileno()
        while True:
            for handle, _ in self._poll.poll():
                if handle == listening_for:
                    self._obey(self._orders.recv())
                else:
                    self._receive(handle)
            if self._job.pause_seconds:
                time.sleep(self._job.pause_seconds)

    def _obey(self, order: str) -> None:
        self._talking = order == GO
        if self._talking:
            for handle, seat in self._seats.items():
                self._say(handle, seat.in_flight)

    def _receive(self, handle: int) -> None:
        try:
            size = self._sockets[handle].recv_into(self._free)
        except OSError:
            size = 0
        if not size:
            self._poll.unregister(handle)
            self._add(Tally.CLOSED, 1)
            return
        margin = self._margin
        if margin:
            self._buffer[:margin] = self._ends[handle]
            self._ends[handle] = bytes(self._buffer[size : size + margin])
        marks = self._buffer.count(self._job.mark, 0, margin + size)
        if marks:
            self._add(Tally.SEEN, marks)
            if self._talking and handle in self._seats:
                self._say(handle, marks)

    def _say(self, handle: int, count: int) -> None:
        first = self._next[handle]
        self._next[handle] = first + count
        self._sockets[handle].sendall(self._seats[handle].line.numbered(first, count))
        self._add(Tally.SENT, count)

    def _add(self, tally: Tally, count: int) -> None:
        self._tallies[self._job.first + tally] += count
