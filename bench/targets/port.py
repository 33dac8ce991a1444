"""The port of a chat server that the bench measures."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bench.deadline import Deadline
from bench.machine import Cores
from bench.virtual_client import VirtualClient

TEXT = "A line of chat, about as long as the lines that people write to each other at work"
"""Text of every message; holds none of the bytes that mark counted frames."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The users and rooms that a load needs."""

    rooms: int
    members: int = 1
    """Virtual clients in each room; the clients `number` of one room are `rooms` apart."""
    users: int = 20
    """Accounts that take turns with the clients, no two of a room alike while there are enough."""

    def user_of(self, client: int) -> int:
        """Return whose client it is."""
        return (client // self.rooms + client % self.rooms * self.members) % self.users

    def room_of(self, client: int) -> int:
        """Return the room it is in."""
        return client % self.rooms

    def members_of(self, room: int) -> list[int]:
        """Return the members of a room, the owner first."""
        clients = (room + place * self.rooms for place in range(self.members))
        return list(dict.fromkeys(self.user_of(client) for client in clients))


class Placement(Protocol):
    """Rooms and users that exist, ready to be connected to."""

    def client(self, number: int, *, in_flight: int = 0, receipts: bool = False) -> VirtualClient:
        """Return the client `number`, in the room `number` modulo rooms.

        With `receipts` each message that it sends asks for an acknowledgement.
        """
        ...


class Running(Protocol):
    """One of the chats, while it runs."""

    port: int
    """Where it takes WebSockets, on the loopback address."""
    processes: Mapping[str, int]
    """The measured processes by name; the one with the connections first."""

    def prepare(self, demand: Demand, deadline: Deadline) -> Placement:
        """Create users and rooms, and return when the server has processed all of them."""
        ...

    def last_words(self) -> str:
        """Return the end of the server's log."""
        ...


class Target(Protocol):
    """One of the chats."""

    name: str
    title: str
    echo_mark: bytes
    """Bytes, best a single one, that stand exactly once in each message delivered."""
    receipt_mark: bytes
    """The same for acknowledgements; they stand in no message delivered."""
    acknowledgement: str
    """The meaning of an acknowledgement by this server."""

    def running(self, cores: Cores, deadline: Deadline) -> AbstractContextManager[Running]:
        """Start it, yield it when it serves, and stop it."""
        ...
