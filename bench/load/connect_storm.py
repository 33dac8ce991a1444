"""Opens connections as fast as the server takes them, many at the same time."""

import re
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.failure import BenchError
from bench.load.job import READY, Counter, Counters, Job
from bench.virtual_client import VirtualClient

_CHUNK_BYTES = 65_536
_SHOWN_BYTES = 400


def connect_storm(job: Job, counters: Counters, orders: Connection) -> None:
    """On an order, open all connections; keep them until the other end of `orders` closes."""
    orders.send(READY)
    opener = ConnectStorm(job, counters)
    try:
        orders.recv()
        opener.run()
        orders.recv()
    except (EOFError, KeyboardInterrupt):
        pass
    except (BenchError, OSError) as error:
        orders.send(str(error))
    finally:
        opener.close()


@dataclass(slots=True)
class _Opening:
    """A connection on its way."""

    connection: socket.socket
    client: VirtualClient
    step: int = 0
    heard: bytes = b""


class ConnectStorm:
    """The loop."""

    def __init__(self, job: Job, counters: Counters) -> None:
        self._job = job
        self._counters = counters
        self._waiting: Iterator[VirtualClient] = iter(job.clients)
        self._openings: dict[int, _Opening] = {}
        self._open: list[socket.socket] = []
        self._poll = select.epoll()

    def run(self) -> None:
        """Return when all are open."""
        for _ in range(self._job.at_once):
            self._begin()
        while self._openings:
            for handle, events in self._poll.poll():
                opening = self._openings[handle]
                if events & select.EPOLLOUT:
                    self._poll.modify(handle, select.EPOLLIN)
                    self._take_step(opening)
                else:
                    self._receive(opening)

    def close(self) -> None:
        """Close whatever is open."""
        for connection in (*self._open, *(o.connection for o in self._openings.values())):
            connection.close()

    def _begin(self) -> None:
        client = next(self._waiting, None)
        if client is None:
            return
        connection = socket.socket()
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect_ex(("127.0.0.1", self._job.port))
        self._openings[connection.fileno()] = _Opening(connection, client)
        self._poll.register(connection, select.EPOLLOUT)

    def _take_step(self, opening: _Opening) -> None:
        opening.heard = b""
        opening.connection.sendall(opening.client.opening[opening.step].sent)

    def _receive(self, opening: _Opening) -> None:
        step = opening.client.opening[opening.step]
        chunk = opening.connection.recv(_CHUNK_BYTES)
        opening.heard += chunk
        if not chunk:
            raise BenchError(f"no {step.answer!r} but {opening.heard[-_SHOWN_BYTES:]!r}: closed")
        if re.search(step.answer, opening.heard) is None:
            return
        opening.step += 1
        if opening.step < len(opening.client.opening):
            self._take_step(opening)
        else:
            self._end(opening)

    def _end(self, opening: _Opening) -> None:
        self._poll.unregister(opening.connection)
        del self._openings[opening.connection.fileno()]
        self._open.append(opening.connection)
        self._counters[self._job.first + Counter.SEEN] += 1
        self._begin()
