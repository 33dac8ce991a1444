"""Servers of stack, as targets use them."""

from bench.failure import BenchError
from stack.servers import Server


def pid_of(server: Server) -> int:
    """Return the main process of a server that runs."""
    process = server.process
    if process is None:
        raise BenchError(f"{server.name} has ended:\n{server.log_tail()}")
    return process.pid
