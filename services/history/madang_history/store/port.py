"""The store port: the contract of an adapter that stores all durable events.

StoreError
├── StoreUnavailable   the store does not answer or cannot write; retry (503 to a client)
└── StoreMismatch      the store belongs to another log, or to another epoch or shard count of it
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from madang_common.events.envelope import Event
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


class StoredEvent(NamedTuple):
    """An event of the log at its position: to store, or stored."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets from `first` (inclusive) to `after` (exclusive) that the log dropped unstored."""

    first: int
    after: int
    at: datetime | None = field(default=None, compare=False)
    """When it was recorded; None if an earlier release did."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch of the log that this store has, and its number of shards."""

    number: int
    shards: int


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far one shard of an epoch is stored.

    ```
    first_offset(epoch) ─── stored ───▶ next ─── not stored yet; if `lost`, never ───▶ end
    ```
    """

    next: int
    """The next offset to store: everything before it is stored."""
    end: int
    """The highest end of the shard that history knows of, at least `next`."""
    sealed_at: datetime | None = None
    """When the epoch's end was reached: nothing more is stored after that. None before."""
    lost: bool = False
    """Sealed before the log's own end: the batches from `next` on were lost, at least to `end`."""

    @property
    def is_sealed(self) -> bool:
        """Whether everything is stored that ever will be."""
        return self.sealed_at is not None


@dataclass(frozen=True, slots=True)
class EventCount:
    """Result of a bounded count."""

    by_others: int
    examined: int


Kinds = Collection[str]
"""Kinds of events to include; empty for all."""


class ProgressStore(Protocol):
    """The epochs of the log, and how far each of their shards is stored.

    Writes are idempotent, and valid in any order: a repeated or a late one changes nothing.
    """

    @property
    def epoch(self) -> int:
        """The epoch of the log that this process stores."""
        ...

    @property
    def shards(self) -> int:
        """Number of shards of that epoch."""
        ...

    async def epochs(self) -> list[Epoch]:
        """Return the epochs that this store has, oldest first."""
        ...

    async def progress_of(self, shard: int, epoch: int) -> ShardProgress:
        """Return how far `shard` of `epoch` is stored."""
        ...

    async def progress(self, shard: int) -> int:
        """Return the next offset to store of `shard` in the current epoch."""
        ...

    async def note_end(self, shard: int, end: int) -> None:
        """Record that the log of `shard` reached `end`, which tells how much is lost if it is."""
        ...

    async def seal(self, shard: int, epoch: int, *, lost: bool) -> ShardProgress:
        """Record that no more of `shard` of `epoch` will be stored; return the result.

        With `lost`, batches after the progress were lost. The first call counts.
        """
        ...

    async def add_gap(self, shard: int, gap: Gap) -> None:
        """Record that the log dropped the batches of `gap` before they were stored."""
        ...

    async def gaps(self, shard: int, epoch: int | None = None) -> list[Gap]:
        """Return the gaps of `shard` in `epoch`, by default the current one, oldest first."""
        ...


class MessageStore(ProgressStore, Protocol):
    """Events by audience and position, their messages, and the progress of each shard of the log.

    Writes are idempotent: this process repeats them after a failure, another one after a takeover.
    """

    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        """Store `entries`, in the log's order, and their messages, then the progress of `shard`.

        An event that is stored already, by position or by (audience, sender, key), is not changed,
        nor is its message. Progress is durable only after all of them, and never decreases; the
        offset contains its epoch. Return the number of new events.
        """
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
