"""Frames and heart-beats, between bytes and events."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from typing_extensions import override


class Command(StrEnum):
    """Every command of STOMP 1.0 to 1.2."""

    CONNECT = "CONNECT"
    STOMP = "STOMP"
    SEND = "SEND"
    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    ACK = "ACK"
    NACK = "NACK"
    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ABORT = "ABORT"
    DISCONNECT = "DISCONNECT"

    CONNECTED = "CONNECTED"
    MESSAGE = "MESSAGE"
    RECEIPT = "RECEIPT"
    ERROR = "ERROR"


@dataclass(slots=True)
class Frame:
    """A command, its headers (the first of repeated ones) and its body."""

    command: str
    """As sent; may be unknown."""
    headers: dict[str, str]
    body: bytes = b""


class HeartBeat:
    """One or more line ends between frames."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        """Return the name of the only instance."""
        return "HEARTBEAT"


HEARTBEAT: Final = HeartBeat()
