"""The store port: the contract of an adapter that stores all durable events and their messages.

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
from madang_fold import Message

LAST = (1 << 60) - 1
"""The largest position that an event id can express."""


class StoreError(Exception):
    """An error of the store."""


class StoreUnavailable(StoreError, Unavailable):  # noqa: N818 - names a state
    """The store does not answer or cannot write now."""


class StoreMismatch(StoreError, CannotStart):  # noqa: N818 - names a state
    """The store does not belong to this log, so history cannot start."""


class Positioned(Protocol):
    """What is stored at a position of the log."""

    @property
    def position(self) -> int:
        """The position."""
        ...


class StoredEvent(NamedTuple):
    """An event of the log at its position: to store, or stored."""

    position: int
    event: Event


class MessageKey(NamedTuple):
    """Where a message is."""

    room: str
    id: str
    """Id of the event that created it."""


class StoredMessage(NamedTuple):
    """The present state of a message, at the position of the event that created it."""

    position: int
    message: Message


class MessagesOf(NamedTuple):
    """The messages of a room, or some of them."""

    room: str
    thread: str | None = None
    """Only the replies to this message."""
    pinned: bool = False
    """Only the pinned ones."""


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
class MessageCount:
    """Result of a bounded count."""

    unread: int
    """Messages of others that are not deleted."""
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

    ```
     entries ──▶ events ──▶ messages ──▶ redaction ──▶ progress
                 new ones   folded       of deleted ones
    ```

    The state of a message is the fold of the stored events of its room. Its `version` is the last
    event that was applied, and an event up to the version changes nothing. A writer continues from
    the progress, or from an earlier point if it was paused, and applies every event from there on
    in order. So a message never skips an event, in whatever way repeats and writers overlap.
    """

    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        """Store `entries`, in the log's order, and their messages, then the progress of `shard`.

        An event that is stored already, by position or by (audience, sender, key), is not changed
        and not applied again. Once a message is deleted, the events that created and edited it are
        redacted: their content and extra headers are in no collection or table. Progress is durable
        only after all of that, and never decreases; the offset contains its epoch. Return the
        number of new events.
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

    async def edits(
        self, message: MessageKey, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredEvent]:
        """Return the first `limit` edits of `message` after `position` up to `upto`."""
        ...

    async def messages(self, keys: Collection[MessageKey]) -> dict[MessageKey, Message]:
        """Return the present states of those of `keys` that exist.

        A state has every event of its room up to the stored progress, and maybe later ones, up to
        its own `version`.
        """
        ...

    async def messages_before(
        self, selected: MessagesOf, position: int | None, limit: int
    ) -> list[StoredMessage]:
        """Return the last `limit` messages created before `position` (None: the newest).

        Oldest first, in their present state; deleted ones are included.
        """
        ...

    async def messages_after(
        self, selected: MessagesOf, position: int, limit: int, *, upto: int = LAST
    ) -> list[StoredMessage]:
        """Return the first `limit` messages created after `position` (-1: all) up to `upto`."""
        ...

    async def count_messages(
        self, room: str, position: int, *, upto: int, reader: str, most: int
    ) -> MessageCount:
        """Count the messages created after `position` up to `upto`.

        Those that `reader` sent and deleted ones are examined and not counted. Examines at most the
        first `most` messages.
        """
        ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers."""
        ...

    async def close(self) -> None:
        """Finish running writes and release all resources."""
        ...
