"""The log port: the contract of an adapter of the chat log.

LogError
├── LogUnavailable   the log does not answer; the batch may or may not have been stored
├── LogBusy          too many bytes are queued; nothing was stored
├── LogTooLarge      an event does not fit into a batch; nothing was stored
└── LogMismatch      the log has another number of shards
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol


class LogError(Exception):
    """An error of the log."""


class LogUnavailable(LogError):  # noqa: N818 - names a state
    """The log does not answer; the batch may or may not have been stored."""


class LogBusy(LogError):  # noqa: N818 - names a state
    """Too many bytes are queued for the log."""


class LogTooLarge(LogError):  # noqa: N818 - names a state
    """An event does not fit into a batch."""


class LogMismatch(LogError):  # noqa: N818 - names a state
    """The log has another number of shards than this process is configured for."""


class Batch(NamedTuple):
    """The lines of one append; `lines[i]` has position `offset << 12 | i`.

    A batch without lines stands for an offset that the log uses itself.
    """

    offset: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a batch is kept; both limits apply, per shard."""

    seconds: float = 30 * 86_400
    bytes: int = 4_294_967_296


Start = int | datetime | Literal["first"]
"""Where to start: at an offset, at the oldest batch kept, or at or before the first batch stored at
or after a time; with a time, at the newest batch at the latest."""


class Log(Protocol):
    """Ordered batches of lines, per shard."""

    @property
    def shards(self) -> int:
        """Number of shards, fixed for the life of the log."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the log can be read now, without a request."""
        ...

    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        """Store `lines` as the next batch of `shard`; return when it is durable.

        A line is one JSON event without a line break. A batch has 1 to 4,096 lines; otherwise raise
        ValueError. After LogUnavailable the batch may be stored nevertheless: append it again, and
        deduplicate by the events' idempotency keys.
        """
        ...

    def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        """Yield every batch of `shard` from `start` on, in order, and wait for new ones.

        Batches dropped by retention are missing, at the start or when a slow reader is overtaken;
        the gap shows in the offsets. From an offset beyond the end it waits until the log reaches
        it. It ends when the log is closed. After LogUnavailable, follow again from the next offset.
        """
        ...

    async def end(self, shard: int) -> int:
        """Return the offset that the next batch of `shard` will have."""
        ...

    async def ping(self) -> None:
        """Raise LogUnavailable unless the log answers."""
        ...

    async def close(self) -> None:
        """End all readers and release all resources."""
        ...
