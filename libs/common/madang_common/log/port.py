"""The log port: the contract of an adapter of the chat log.

LogError
├── LogUnavailable   the log does not answer; the batch may or may not have been stored
├── LogBusy          too many bytes are queued; nothing was stored
├── LogTooLarge      an event does not fit into a batch; nothing was stored
├── LogMismatch      the log has another number of shards, or another epoch
└── LogUnusable      the log must not be used; this does not pass by itself
    ├── LogLost        its streams do not exist any more, or end before what was read
    ├── LogEnded       the epoch has ended; nothing can be appended to it, and nothing follows
    └── LogUnverified  history has not confirmed yet that this is the current log
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
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
    """The log has another number of shards or another epoch than this process is configured for."""


class LogUnusable(LogError):  # noqa: N818 - names a state
    """The log must not be used. Nothing was stored; an immediate retry fails too."""


class LogLost(LogUnusable):
    """The log's streams do not exist any more, or end before what was read from them.

    Somebody has to restore the log, or to begin a new epoch.
    """


class LogUnverified(LogUnusable):
    """History has not confirmed yet that this is the current log, so nothing is appended."""


class LogEnded(LogUnusable):
    """The epoch has ended: nothing can be appended to it, and no batch follows."""

    def __init__(self, reason: str, *, end: int | None = None) -> None:
        """Tell `reason`; `end` is the offset after the shard's last batch, None if not known."""
        super().__init__(reason)
        self.end = end


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
"""An offset; `first` for the oldest batch kept; or a time: the reader then begins at or before the
first batch stored since that time, or at the newest batch if all are older."""


class Log(Protocol):
    """Ordered batches of lines, per shard, in one epoch.

    Every offset contains the epoch, so offsets of a later epoch are greater than all before.
    """

    @property
    def epoch(self) -> int:
        """The epoch of the log, fixed for the life of this object."""
        ...

    @property
    def shards(self) -> int:
        """Number of shards, fixed for the life of the epoch."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the log can be read now, without a request."""
        ...

    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        """Store `lines` as the next batch of `shard`; return when it is durable.

        A line is one JSON event without a line break. A batch has 1 to 4,096 lines; otherwise raise
        ValueError. After LogUnavailable the batch may be stored nevertheless: append it again, and
        deduplicate by the events' idempotency keys. Raise LogEnded once the epoch has ended,
        LogLost if the log does not exist any more; nothing was stored then.
        """
        ...

    def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        """Yield every batch of `shard` from `start` on, in order, and wait for new ones.

        Batches dropped by retention are missing, at the start or when a slow reader is overtaken;
        the gap shows in the offsets. From an offset beyond the end it waits until the log reaches
        it; from an offset of an earlier epoch it begins with the oldest batch kept. It ends when
        the log is closed. After LogUnavailable, follow again from the next offset. Raise LogEnded
        after the last batch of an epoch that has ended, at once or while it waits. Raise LogLost if
        the stream does not exist any more, or has for some seconds ended before an offset that was
        already read.
        """
        ...

    async def end(self, shard: int) -> int:
        """Return the offset that the next batch of `shard` will have.

        That is `first_offset(epoch)` in an empty log. Raise LogLost as `follow` does. An epoch that
        has ended still has an end.
        """
        ...

    async def ping(self) -> None:
        """Raise LogUnavailable unless the log answers, LogLost if it does not exist any more."""
        ...

    async def close(self) -> None:
        """End all readers and release all resources."""
        ...


OlderLogs = Callable[[int, int | None], AbstractAsyncContextManager[Log | None]]
"""Opens an earlier epoch with its number of shards (None: those that exist), to read; gives None if
nothing of it exists."""
