"""The store port: the contract of an adapter that stores all durable events.

StoreError
├── StoreUnavailable   the store does not answer or cannot write; retry (503 to a client)
└── StoreMismatch      the store belongs to a log with other shards, or to another log
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from madang_common.problems import Unavailable
from madang_common.settings import CannotStart

LAST = (1 << 60) - 1
"""The largest position that an event id can express."""


class StoreError(Exception):
    """An error of the store."""


class StoreUnavailable(StoreError, Unavailable):  # noqa: N818 - names a state
    """The store does not answer or cannot write now."""


class StoreMismatch(StoreError, CannotStart):  # noqa: N818 - names a state
    """The store does not belong to this log, so history cannot start."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event to store: its line of the log, and the fields that index it."""

    position: int
    audience: str
    kind: str
    sender: str
    key: str
    line: bytes


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A stored event, with its line of the log."""

    position: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets from `first` (inclusive) to `after` (exclusive) that the log dropped unstored."""

    first: int
    after: int


@dataclass(frozen=True, slots=True)
class EventCount:
    """Result of a bounded count."""

    by_others: int
    examined: int


Kinds = Collection[str]
"""Kinds of events to include; empty for all."""


class MessageStore(Protocol):
    """Events by audience and position, and the progress of each shard of the log.

    Writes are idempotent: this process repeats them after a failure, another one after a takeover.
    """

    @property
    def shards(self) -> int:
        """Number of shards of the log that this store belongs to."""
        ...

    async def store(self, shard: int, entries: Sequence[Entry], progress: int) -> int:
        """Store `entries`, in the log's order, then the progress of `shard`.

        An event that is stored already, by position or by (audience, sender, key), is not changed.
        Progress is durable only after all entries, and never decreases. Return the number of new
        entries.
        """
        ...

    async def progress(self, shard: int) -> int:
        """Return the next offset to store of `shard`: everything before it is stored."""
        ...

    async def add_gap(self, shard: int, gap: Gap) -> None:
        """Record that the log dropped the batches of `gap` before they were stored."""
        ...

    async def gaps(self, shard: int) -> list[Gap]:
        """Return the gaps of `shard`, oldest first."""
        ...

    async def before(
        self, audience: str, position: int | None, limit: int, kinds: Kinds = ()
    ) -> list[StoredEvent]:
        """Return the last `limit` events before `position` (None: the newest), oldest first."""
        ...

    async def after(
        self, audience: str, position: int, limit: int, kinds: Kinds = (), *, upto: int = LAST
    ) -> list[StoredEvent]:
        """Return the first `limit` events after `position` (-1: all) up to `upto`, oldest first."""
        ...

    async def get(self, audience: str, position: int) -> StoredEvent | None:
        """Return the event of `audience` at `position`."""
        ...

    async def by_key(self, audience: str, sender: str, key: str) -> StoredEvent | None:
        """Return the event of `audience` with the `key` of `sender`."""
        ...

    async def count_after(
        self, audience: str, position: int, kinds: Kinds, *, upto: int, reader: str, most: int
    ) -> EventCount:
        """Count the events of `kinds` after `position` up to `upto` that `reader` did not send.

        Examines at most the first `most` events, including the reader's own.
        """
        ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers."""
        ...

    async def close(self) -> None:
        """Finish running writes and release all resources."""
        ...
