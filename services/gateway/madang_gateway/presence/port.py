"""The presence port: a board on which every gateway notes who is in which room with it.

Somebody is present in a room while at least one gateway's note says so. A gateway is believed for
as long as it renews its time; then whoever notices first clears its notes away.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class BoardError(ConnectionError):
    """The board does not answer."""


class Forgotten(Exception):  # noqa: N818 - what the board did
    """The board's notes of this gateway are gone, or older than the gateway's last write."""


class Place(NamedTuple):
    """A user in a room."""

    room: str
    user: str


class PresenceEntry(NamedTuple):
    """A user in a room, with the name that others see."""

    room: str
    user: str
    name: str

    @property
    def place(self) -> Place:
        """Who and where, whatever the name."""
        return Place(self.room, self.user)


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that a gateway writes at once; nobody is in both."""

    number: int
    """One more than its last batch's; the same batch written twice counts once."""
    joined: tuple[PresenceEntry, ...]
    left: tuple[PresenceEntry, ...]


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """Somebody came to a room, or went, all gateways taken together."""

    stay: PresenceEntry
    count: int
    """How many users are in the room afterwards."""
    at: float
    """Seconds since the epoch, on the board's own clock: of two turns the later one counts."""


class Outcome(NamedTuple):
    """What a batch changed, all gateways taken together."""

    joined: tuple[PresenceChange, ...] = ()
    left: tuple[PresenceChange, ...] = ()


class Cleared(NamedTuple):
    """Some of a dead gateway's notes that were taken off the board."""

    left: tuple[PresenceChange, ...]
    done: bool
    """Whether there are no more, or the gateway lives."""


class Person(NamedTuple):
    """Somebody who is present."""

    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Present:
    """Some of those who are in a room, by id, and how many there are."""

    people: tuple[Person, ...]
    count: int
    more: bool
    at: float
    """Seconds since the epoch, on the board's own clock: later turns are not in it."""


class PresenceStore(Protocol):
    """Notes of all gateways; every call raises BoardError if the board does not answer."""

    async def enroll(self, gateway: str, seconds: float) -> str:
        """Begin to believe `gateway`, for `seconds`; return what names the board's present life.

        Another name than last time means that the board lost everything in between.
        """
        ...

    async def write(self, gateway: str, batch: Batch) -> Outcome:
        """Note `batch` for `gateway`; raise Forgotten if it must enroll anew.

        A batch that was written before changes nothing.
        """
        ...

    async def renew(self, gateway: str, number: int, seconds: float) -> tuple[str, ...]:
        """Believe `gateway` for `seconds` more; return some whose time is over.

        `number` is its last batch's. Raise Forgotten if it must enroll anew.
        """
        ...

    async def clear(self, dead: str, limit: int) -> Cleared:
        """Take up to `limit` notes of a gateway whose time is over off the board.

        Each is taken by one caller, however many try. From the first on, `dead` is forgotten.
        """
        ...

    async def retire(self, gateway: str, seconds: float) -> None:
        """Believe `gateway` for `seconds` from now and no longer, if it is enrolled."""
        ...

    async def present(self, room: str, *, after: str, limit: int) -> Present:
        """Return up to `limit` users in `room`, those whose id comes after `after`."""
        ...

    async def close(self) -> None:
        """Let go of the board."""
        ...
