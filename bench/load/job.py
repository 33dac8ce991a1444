"""The jobs of the generator's processes, and their counters."""

import ctypes
from dataclasses import dataclass
from enum import IntEnum

from bench.virtual_client import VirtualClient

READY = "ready"
GO = "go"
STOP = "stop"
REPORT = "report"


class Counter(IntEnum):
    """Index of each counter in a process's part of the shared array."""

    SENT = 0
    SEEN = 1
    CLOSED = 2


Counters = ctypes.Array[ctypes.c_longlong]


@dataclass(frozen=True, slots=True)
class Job:
    """The work of one process."""

    port: int
    clients: tuple[VirtualClient, ...]
    mark: bytes = b""
    first: int = 0
    """Index of its first counter in the shared array."""
    pause_seconds: float = 0.0
    """Pause between polls: a listener is cheaper with few large reads than with many small ones."""
    interval_seconds: float = 0.0
    """Time from one message to the next of another connection, where there is a schedule."""
    at_once: int = 0
    """Connections that are being opened at the same time, where that is measured."""
