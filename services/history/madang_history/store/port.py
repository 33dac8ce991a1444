"""The store port: what an adapter must do to keep every durable event for reading.

StoreError
├── StoreUnavailable   the store is away, or refused to write; try again (503 to a client)
└── StoreMismatch      what is stored belongs to a log with other shards, or to another log
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from madang_common.problems import Unavailable

LAST = (1 << 60) - 1
"""The largest position that can be written."""


class StoreError(Exception):
    """Something is wrong with the store."""


class StoreUnavailable(StoreError, Unavailable):  # noqa: N818 - reads as the state it tells
    """The store cannot be reached or cannot write now."""


class StoreMismatch(StoreError):  # noqa: N818 - reads as the state it tells
    """The store does not belong to this log."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event on its way into the store: its line of the log, and what it is found by."""

    position: int
    audience: str
    kind: str
    sender: str
    key: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """An event in the store, as the log had it."""

    position: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets from `first` up to, without, `after` that the log dropped before they were stored."""

    first: int
    after: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events there are, as far as they were looked at."""

    by_others: int
    looked_at: int


Kinds = Collection[str]
"""Kinds of events to look at; empty for all."""


class MessageStore(Protocol):
    """Events by audience and position, and how far each shard of the log has been stored.

    Every write may be repeated, by this process after a failure or by another one that takes over,
    and leaves the same behind.
    """

    @property
    def shards(self) -> int:
        """Number of shards of the log that this store was made for."""
        ...

    async def store(self, shard: int, entries: Sequence[Entry], progress: int) -> int:
        """Store `entries`, in the log's order, then that `shard` is stored up to offset `progress`.

        An event that stands there already, by position or by (audience, sender, key), is left as it
        is. The progress is durable only if all entries are, and never goes back. Return how many
        entries were new.
        """
        ...

    async def progress(self, shard: int) -> int:
        """Return the offset that `shard` is to be followed from: everything before it is stored."""
        ...

    async def add_hole(self, shard: int, hole: Hole) -> None:
        """Note that the log lost `hole` before it could be stored."""
        ...

    async def holes(self, shard: int) -> list[Hole]:
        """Return what `shard` lost, oldest first."""
        ...

    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[Stored]:
        """Return the newest `limit` events before `position`, or of all, oldest first."""
        ...

    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[Stored]:
        """Return the oldest `limit` events after `position` (-1: from the first), oldest first.

        None of them is newer than `upto`.
        """
        ...

    async def one(self, audience: str, position: int) -> Stored | None:
        """Return the event of `audience` at `position`."""
        ...

    async def by_key(self, audience: str, sender: str, key: str) -> Stored | None:
        """Return the event of `audience` that `sender` gave `key`."""
        ...

    async def count_after(
        self, audience: str, position: int, kinds: Kinds, *, upto: int, reader: str, most: int
    ) -> Counted:
        """Count the events of `kinds` after `position` and up to `upto` that `reader` did not send.

        Only the oldest `most` of them are looked at, the reader's own included.
        """
        ...

    async def ping(self) -> None:
        """Return if the store answers; raise StoreUnavailable if not."""
        ...

    async def close(self) -> None:
        """Finish what is being written and let go of everything."""
        ...
