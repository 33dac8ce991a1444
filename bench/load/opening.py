"""How connections are opened: in waves, each step answered before the next."""

import re
import socket
from collections.abc import Iterator, Sequence

from bench.failure import BenchError
from bench.virtual_client import Seat, Step

_WAVE = 100
_TIMEOUT_SECONDS = 20.0
_CHUNK_BYTES = 65_536
_SHOWN_BYTES = 400


def open_all(port: int, seats: Sequence[Seat]) -> Iterator[socket.socket]:
    """Yield a connection for each seat, ready to be measured."""
    for start in range(0, len(seats), _WAVE):
        yield from _open_wave(port, seats[start : start + _WAVE])


def connect(port: int, seat: Seat) -> socket.socket:
    """Return one open connection."""
    (connection,) = _open_wave(port, [seat])
    return connection


def _open_wave(port: int, seats: Sequence[Seat]) -> list[socket.socket]:
    sockets = [socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) for _ in seats]
    for connection in sockets:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for steps in zip(*(seat.opening for seat in seats), strict=True):
        for connection, step in zip(sockets, steps, strict=True):
            connection.sendall(step.sent)
        for connection, step in zip(sockets, steps, strict=True):
            _await_answer(connection, step)
    for connection in sockets:
        connection.settimeout(None)
    return sockets


def _await_answer(connection: socket.socket, step: Step) -> None:
    heard = b""
    while re.search(step.answer, heard) is None:
        try:
            chunk = connection.recv(_CHUNK_BYTES)
        except OSError as error:
            raise BenchError(_refusal(step, heard, str(error))) from error
        if not chunk:
            raise BenchError(_refusal(step, heard, "closed"))
        heard += chunk


def _refusal(step: Step, heard: bytes, why: str) -> str:
    return f"no {step.answer!r} but {heard[-_SHOWN_BYTES:]!r}: {why}"
