"""The presence port: a store of which users are in which rooms, shared by all gateways.

A user is present in a room while at least one gateway with a valid lease has an entry for it. A
gateway renews its lease; after the lease expired, any other gateway clears its entries.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class PresenceStoreError(ConnectionError):
    """The store does not answer."""


class EnrolmentLost(Exception):  # noqa: N818 - names a state
    """The store has no entries of this gateway, or older ones; the gateway must enroll again."""


class PresenceKey(NamedTuple):
    """A user in a room."""

    room: str
    user: str


class PresenceEntry(NamedTuple):
    """A user in a room, with the display name."""

    room: str
    user: str
    name: str

    @property
    def key(self) -> PresenceKey:
        """The entry without the name."""
        return PresenceKey(self.room, self.user)


@dataclass(frozen=True, slots=True)
class PresenceBatch:
    """Changes that a gateway writes at once; no entry is in both."""

    number: int
    """One more than the number of the gateway's last batch; a repeated batch is ignored."""
    joined: tuple[PresenceEntry, ...]
    left: tuple[PresenceEntry, ...]


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """A user joined or left a room, over all gateways."""

    entry: PresenceEntry
    count: int
    """Users in the room afterwards."""
    at: float
    """Seconds since the epoch on the store's clock; the later of two changes is valid."""


class WriteResult(NamedTuple):
    """The changes of a batch, over all gateways."""

    joined: tuple[PresenceChange, ...] = ()
    left: tuple[PresenceChange, ...] = ()


class ClearResult(NamedTuple):
    """The changes of clearing entries of a dead gateway."""

    left: tuple[PresenceChange, ...]
    done: bool
    """Whether no entries are left, or the gateway's lease is valid."""


class PresentUser(NamedTuple):
    """A user who is present."""

    user: str
    name: str


@dataclass(frozen=True, slots=True)
class PresencePage:
    """One page of the users in a room, by id."""

    users: tuple[PresentUser, ...]
    count: int
    """Users in the room, on this page or not."""
    more: bool
    """Whether there is a next page."""
    at: float
    """Seconds since the epoch on the store's clock; later changes are not included."""


class PresenceStore(Protocol):
    """Entries of all gateways; methods raise PresenceStoreError if the store does not answer."""

    async def enroll(self, gateway: str, lease_seconds: float) -> str:
        """Start a lease for `gateway`; return the id of the store's data.

        Another id than last time means that the store lost all entries in between.
        """
        ...

    async def write(self, gateway: str, batch: PresenceBatch) -> WriteResult:
        """Write `batch` of `gateway`; raises EnrolmentLost.

        Writing a batch a second time changes nothing.
        """
        ...

    async def renew(self, gateway: str, number: int, lease_seconds: float) -> tuple[str, ...]:
        """Renew the lease of `gateway`; return some gateways whose lease expired.

        `number` is that of its last batch. Raises EnrolmentLost.
        """
        ...

    async def clear(self, dead: str, limit: int) -> ClearResult:
        """Remove up to `limit` entries of a gateway whose lease expired.

        With concurrent callers, each entry is removed by one of them. The first call ends the
        enrolment of `dead`.
        """
        ...

    async def retire(self, gateway: str, lease_seconds: float) -> None:
        """Set the remaining lease of `gateway`, if it is enrolled."""
        ...

    async def page(self, room: str, *, after: str, limit: int) -> PresencePage:
        """Return up to `limit` users in `room` with an id after `after`."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...

    async def close(self) -> None:
        """Close the connections to the store."""
        ...
