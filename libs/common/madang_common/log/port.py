"""The log port: what an adapter must do to be the chat log.

LogError
├── LogUnavailable   the log is away; the batch may or may not have been stored
├── LogBusy          too much is waiting already; nothing was stored
├── LogTooLarge      one event is larger than a batch may be; nothing was stored
└── LogMismatch      this log was made with another number of shards
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol


class LogError(Exception):
    """Something is wrong with the log."""


class LogUnavailable(LogError):  # noqa: N818 - reads as the state it tells
    """The log cannot be reached; whether the batch was stored is not known."""


class LogBusy(LogError):  # noqa: N818 - reads as the state it tells
    """More is waiting for the log than may wait."""


class LogTooLarge(LogError):  # noqa: N818 - reads as the state it tells
    """An event does not fit into a batch."""


class LogMismatch(LogError):  # noqa: N818 - reads as the state it tells
    """The log was made with another number of shards than this process was told."""


class Batch(NamedTuple):
    """What one append stored: `lines[i]` has position `offset << 12 | i`.

    Without lines it stands for a number that the log took for itself, so that none is missing.
    """

    offset: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a batch is kept: both limits hold, per shard."""

    seconds: float = 30 * 86_400
    bytes: int = 4_294_967_296


Start = int | datetime | Literal["first"]
"""Where to begin: at this offset, with the oldest batch kept, or not after the first one stored at
or after this time; in the last case the newest batch comes anyway."""


class Log(Protocol):
    """Ordered batches of lines, per shard."""

    @property
    def shards(self) -> int:
        """Number of shards, fixed for the life of the log."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it can be read now, as far as that is known without asking."""
        ...

    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        """Store `lines` as the next batch of `shard`; return when that is durable.

        A line is one JSON event without a line break. 1 to 4,096 lines make a batch; anything else
        is a ValueError. After LogUnavailable the batch may stand in the log all the same: append it
        again, and let the events' keys tell the second one from the first.
        """
        ...

    def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        """Yield every batch of `shard` from `start` on, in order, waiting for new ones.

        What retention has dropped is left out, at the start or where a slow reader was overtaken;
        the reader sees that from the offsets. From an offset beyond the end it waits until the log
        is there. It ends when the log is closed, and raises LogUnavailable when it cannot go on:
        follow again from the next offset then.
        """
        ...

    async def end(self, shard: int) -> int:
        """Return the offset that the next batch of `shard` will have."""
        ...

    async def ping(self) -> None:
        """Return if the log answers; raise LogUnavailable if not."""
        ...

    async def close(self) -> None:
        """End the followers and let go of everything."""
        ...
