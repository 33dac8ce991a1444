"""How connections are opened: in waves, each step answered before the next."""

import re
import socket
from collections.abc import Iterator, Sequence

from bench.failure import BenchError
from bench.virtual_client import Step, VirtualClient

_WAVE = 100
_TIMEOUT_SECONDS = 20.0
_CHUNK_BYTES = 65_536
_SHOWN_BYTES = 400


def open_all(port: int, clients: Sequence[VirtualClient]) -> Iterator[socket.socket]:
    """Yield a connection for each client, ready to be measured."""
    for start in range(0, len(clients), _WAVE):
        yield from _open_wave(port, clients[start : start + _WAVE])


def connect(port: int, client: VirtualClient) -> socket.socket:
    """Return one open connection."""
    (connection,) = _open_wave(port, [client])
    return connection


def _open_wave(port: int, clients: Sequence[VirtualClient]) -> list[socket.socket]:
    sockets = [socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) for _ in clients]
    for connection in sockets:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for steps in zip(*(client.opening for client in clients), strict=True):
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
