"""One process of the generator: an epoll loop that counts marks and keeps messages in flight."""

import select
import socket
import time
from multiprocessing.connection import Connection

from bench.failure import BenchError
from bench.load.job import GO, READY, Counter, Counters, Job
from bench.load.opening import open_all

_BUFFER_BYTES = 262_144


def work(job: Job, counters: Counters, orders: Connection) -> None:
    """Open the connections, report READY, and count until the other end of `orders` closes."""
    work_as(Worker, job, counters, orders)


def work_as(kind: "type[Worker]", job: Job, counters: Counters, orders: Connection) -> None:
    """Do so as a worker of that kind."""
    try:
        sockets = list(open_all(job.port, job.clients))
    except (BenchError, OSError) as error:
        orders.send(str(error))
        return
    orders.send(READY)
    try:
        kind(job, counters, orders, sockets).run()
    except (EOFError, KeyboardInterrupt):
        pass
    finally:
        for connection in sockets:
            connection.close()


class Worker:
    """The loop."""

    def __init__(
        self, job: Job, counters: Counters, orders: Connection, sockets: list[socket.socket]
    ) -> None:
        self._job = job
        self._counters = counters
        self._orders = orders
        self._sockets = {connection.fileno(): connection for connection in sockets}
        self._clients = {
            c.fileno(): client
            for c, client in zip(sockets, job.clients, strict=True)
            if client.in_flight
        }
        self._next = dict.fromkeys(self._clients, 0)
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
        while True:
            self.look(-1)
            if self._job.pause_seconds:
                time.sleep(self._job.pause_seconds)

    def look(self, seconds: float) -> None:
        """Handle the events that are ready, waiting at most `seconds` for the first."""
        listening_for = self._orders.fileno()
        for handle, _ in self._poll.poll(seconds):
            if handle == listening_for:
                self.obey(self._orders.recv())
            else:
                self._receive(handle)

    def obey(self, order: str) -> None:
        """Carry out an order."""
        self._talking = order == GO
        if self._talking:
            for handle, client in self._clients.items():
                self.say(handle, client.in_flight)

    def heard(self, handle: int, marks: int) -> None:
        """Go on after so many marks on a connection."""
        if self._talking and handle in self._clients:
            self.say(handle, marks)

    def say(self, handle: int, count: int) -> None:
        """Send a connection's next messages."""
        first = self._next[handle]
        self._next[handle] = first + count
        self._sockets[handle].sendall(self._clients[handle].said(first, count))
        self._add(Counter.SENT, count)

    def _receive(self, handle: int) -> None:
        try:
            size = self._sockets[handle].recv_into(self._free)
        except OSError:
            size = 0
        if not size:
            self._poll.unregister(handle)
            self._add(Counter.CLOSED, 1)
            return
        margin = self._margin
        if margin:
            self._buffer[:margin] = self._ends[handle]
            self._ends[handle] = bytes(self._buffer[size : size + margin])
        marks = self._buffer.count(self._job.mark, 0, margin + size)
        if marks:
            self._add(Counter.SEEN, marks)
            self.heard(handle, marks)

    def _add(self, counter: Counter, count: int) -> None:
        self._counters[self._job.first + counter] += count
