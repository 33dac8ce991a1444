"""Free loopback ports that stay free while their owner is stopped."""

import random
import socket

LOOPBACK = "127.0.0.1"
_RANGE = range(10_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, which would take a stopped server's."""
_TRIES = 200


def free_port() -> int:
    """Return a port of the loopback address on which nothing listens.

    Nobody else is given it while this process runs: its server may start later, or stop meanwhile.
    """
    for _ in range(_TRIES):
        port = random.choice(_RANGE)
        if _reserve(port) and is_free(port):
            return port
    raise OSError(f"no free port in {_RANGE.start}-{_RANGE.stop} after {_TRIES} tries")


def is_free(port: int) -> bool:
    """Return whether `port` of the loopback address can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    """Bind an abstract socket named after `port`, which only one process can hold."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0madang-port-{port}")
    except OSError:
        name.close()
        return False
    name.detach()
    return True


def answers(port: int) -> bool:
    """Return whether something accepts connections on `port` of the loopback address."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
