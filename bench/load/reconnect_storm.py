"""Listeners that lose all their connections at once and reconnect with `since`.

Each notes which messages it hears over all its connections. Who is told when to come back keeps to
it; who finds nobody there tries again a moment later.
"""

import itertools
import pickle
import random
import re
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from multiprocessing.connection import Connection

from bench.failure import BenchError
from bench.load.job import READY, REPORT, Counter, Counters, Job
from bench.virtual_client import VirtualClient

CUT = "cut"
"""The order to lose all connections."""
LAST_HEARD = b"#" * 12
"""Placeholder in a frame for the id of the last received message, of the same length."""

_CHUNK_BYTES = 65_536
_FIRST_AT_ONCE = 200
"""Connections opened at the same time before every listener has subscribed once."""
_SPREAD_SECONDS = 1.0
"""Longest random wait after the loss of a connection."""
_LONGEST_SPREAD_SECONDS = 2.0
"""The wait doubles with each failed attempt, up to this."""
_RETRY_AFTER = re.compile(rb"HTTP/1\.1 (?:429|503) (?s:.*?)\n(?i:retry-after): *(\d+)\r")
_RECEIPT = re.compile(rb"RECEIPT\n([^\0]*)\0")
_RESUMED = b"resumed:true\n"
_MESSAGE = re.compile(rb"\nmessage-id:(\w+)\n")
_LONGEST_HEADER = 64
_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: a close sends a reset, and leaves nothing behind."""


@dataclass(slots=True)
class ReconnectRecord:
    """The record of one listener."""

    heard: list[bytes] = field(default_factory=list)
    """Ids of messages, in the order in which they came."""
    listened_at: list[float] = field(default_factory=list)
    """When each of its connections began to listen, in monotonic seconds."""
    refusals: int = 0
    """Upgrades that were refused with a Retry-After."""


def read_reconnect_storm(report: bytes) -> list[ReconnectRecord]:
    """Return the records of one process's listeners, in the order of its clients."""
    returned: list[ReconnectRecord] = pickle.loads(report)
    return returned


def reconnect_storm(job: Job, counters: Counters, orders: Connection) -> None:
    """Connect all listeners, and follow orders until their other end closes.

    The two lines of a client are the SUBSCRIBE of those who have heard nothing, and the one that
    has what was heard last where other lines have a number.
    """
    try:
        ReconnectStorm(job, counters, orders).run()
    except (EOFError, KeyboardInterrupt):
        pass
    except (BenchError, OSError) as error:
        orders.send(str(error))


@dataclass(slots=True, eq=False)
class _Listener:
    """One listener, and the connection that it has now."""

    client: VirtualClient
    connection: socket.socket = field(init=False)
    returned: ReconnectRecord = field(default_factory=ReconnectRecord)
    steps: int = 0
    """Steps of the opening that were sent; the step after the last is SUBSCRIBE."""
    listens: bool = False
    failed_attempts: int = 0
    """Attempts to connect since it listened."""
    rest: bytes = b""
    """Received bytes that are not parsed yet."""

    def connect(self, port: int) -> None:
        """Begin to connect anew."""
        self.connection = socket.socket()
        self.connection.settimeout(0)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.connect_ex(("127.0.0.1", port))
        self.steps, self.listens, self.rest = 0, False, b""

    def say_next(self) -> None:
        """Send the next step of the opening, or SUBSCRIBE."""
        opening, heard = self.client.opening, self.returned.heard
        if self.steps < len(opening):
            said = opening[self.steps].sent
        else:
            first, again = self.client.lines
            said = again.before + heard[-1] + again.after if heard else first.before
        self.steps += 1
        self.rest = b""
        self.connection.sendall(said)

    def understand(self, chunk: bytes) -> None:
        """Parse received bytes."""
        self.rest += chunk
        if self.steps <= len(self.client.opening):
            if re.search(self.client.opening[self.steps - 1].answer, self.rest):
                self.say_next()
            return
        if not self.listens:
            receipt = _RECEIPT.search(self.rest)
            if receipt is None:
                return
            if self.returned.heard and _RESUMED not in receipt[1]:
                raise BenchError(f"not resumed: {receipt[1]!r}")
            self.listens = True
            self.returned.listened_at.append(time.monotonic())
        end = 0
        for found in _MESSAGE.finditer(self.rest):
            self.returned.heard.append(found[1])
            end = found.end()
        self.rest = self.rest[end:][-_LONGEST_HEADER:]


class ReconnectStorm:
    """The event loop; counts subscribed listeners (SEEN) and lost connections (CLOSED)."""

    def __init__(self, job: Job, counters: Counters, orders: Connection) -> None:
        self._job = job
        self._counters = counters
        self._orders = orders
        self._listeners = [_Listener(client) for client in job.clients]
        self._connected: dict[int, _Listener] = {}
        self._due: list[tuple[float, int, _Listener]] = []
        self._listening = 0
        self._never_listened = len(job.clients)
        self._order = itertools.count()
        self._poll = select.epoll()

    def run(self) -> None:
        """Follow orders until they end; raise EOFError then."""
        listening_for = self._orders.fileno()
        self._poll.register(listening_for, select.EPOLLIN)
        self._orders.send(READY)
        for listener in self._listeners:
            self._wait(listener, 0.0)
        while True:
            seconds = self._connect_due()
            for handle, events in self._poll.poll(seconds):
                if handle == listening_for:
                    self._obey(self._orders.recv())
                elif handle in self._connected:
                    self._attend(self._connected[handle], events)

    def _obey(self, order: str) -> None:
        if order == CUT:
            for listener in list(self._connected.values()):
                self._lose(listener)
                self._wait(listener, random.uniform(0, _SPREAD_SECONDS))
        elif order == REPORT:
            self._orders.send_bytes(pickle.dumps([one.returned for one in self._listeners]))

    def _wait(self, listener: _Listener, seconds: float) -> None:
        heappush(self._due, (time.monotonic() + seconds, next(self._order), listener))

    def _connect_due(self) -> float | None:
        """Connect those whose time has come; return the seconds until the next one's."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            if self._never_listened and len(self._connected) - self._listening >= _FIRST_AT_ONCE:
                return None
            _, _, listener = heappop(self._due)
            listener.connect(self._job.port)
            self._connected[listener.connection.fileno()] = listener
            self._poll.register(listener.connection, select.EPOLLOUT)
        return self._due[0][0] - now if self._due else None

    def _attend(self, listener: _Listener, events: int) -> None:
        """Go on with a connection on which something has happened."""
        try:
            if not listener.steps and not events & select.EPOLLERR:
                self._poll.modify(listener.connection, select.EPOLLIN)
                listener.say_next()
                return
            chunk = listener.connection.recv(_CHUNK_BYTES)
        except OSError:
            chunk = b""
        if not chunk:
            self._come_back(listener)
            return
        listened = listener.listens
        listener.understand(chunk)
        if listener.listens and not listened:
            self._listening += 1
            self._never_listened -= len(listener.returned.listened_at) == 1
            self._add(Counter.SEEN, 1)

    def _come_back(self, listener: _Listener) -> None:
        """Schedule the next attempt, by the answer to the last one."""
        refused = _RETRY_AFTER.match(listener.rest) if listener.steps == 1 else None
        listened = listener.listens
        self._lose(listener)
        if refused is not None:
            listener.returned.refusals += 1
            self._wait(listener, int(refused[1]))
        else:
            listener.failed_attempts = 0 if listened else listener.failed_attempts + 1
            longest = min(_SPREAD_SECONDS * 2**listener.failed_attempts, _LONGEST_SPREAD_SECONDS)
            self._wait(listener, random.uniform(0, longest))

    def _lose(self, listener: _Listener) -> None:
        self._poll.unregister(listener.connection)
        del self._connected[listener.connection.fileno()]
        listener.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        listener.connection.close()
        if listener.listens:
            listener.listens = False
            self._listening -= 1
            self._add(Counter.SEEN, -1)
            self._add(Counter.CLOSED, 1)

    def _add(self, counter: Counter, count: int) -> None:
        self._counters[self._job.first + counter] += count
