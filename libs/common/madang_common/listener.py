"""The socket that a process listens on."""

import errno
import socket

from madang_common.settings import CannotStart, CommonSettings

_ACCEPTS_PER_TURN = 16
"""Connections accepted in one turn of the event loop. uvloop accepts one per listening socket."""


def bind(settings: CommonSettings) -> socket.socket:
    """Return a socket bound to the configured address; raise CannotStart if that fails.

    It does not listen yet, so that a client which connects too early is refused at once.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        message = f"cannot listen on {settings.host}:{settings.port}: {error}"
        if error.errno == errno.EADDRINUSE:
            message += (
                "; stop the process that has the port"
                f" (`ss -ltnp 'sport = :{settings.port}'` shows it), or set another MADANG_PORT"
            )
        raise CannotStart(message) from error
    return listener


def duplicates(listener: socket.socket) -> list[socket.socket]:
    """Return `listener` and duplicates of it, so that the event loop accepts faster.

    With a single socket a busy loop accepts so slowly that the queue overflows when all clients
    reconnect at once; most clients' kernels then retry only seconds later.
    """
    return [listener, *(listener.dup() for _ in range(_ACCEPTS_PER_TURN - 1))]
