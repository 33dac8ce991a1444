"""Places where a log keeps its data, one for each adapter of the port."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Batch, Log, Start
from madang_common.log.sqlite import SqliteLog

SHARDS = 2
PATIENCE_SECONDS = 20


class Logs(Protocol):
    """One place where a log keeps its data, opened as often as a test likes."""

    async def open(self, shards: int = SHARDS, epoch: int = 0) -> Log:
        """Open the log on the same data."""
        ...

    async def open_current(self, shards: int = SHARDS, epoch: int = 0) -> Log | None:
        """Open the log to read, without beginning its epoch."""
        ...

    async def open_existing(self, epoch: int, shards: int = SHARDS) -> Log | None:
        """Open an earlier epoch to read."""
        ...


class SqliteLogs(Logs):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.db"

    @override
    async def open(self, shards: int = SHARDS, epoch: int = 0) -> Log:
        return await SqliteLog.open(self._path, shards, epoch=epoch)

    @override
    async def open_current(self, shards: int = SHARDS, epoch: int = 0) -> Log | None:
        return await SqliteLog.open_current(self._path, shards, epoch=epoch)

    @override
    async def open_existing(self, epoch: int, shards: int = SHARDS) -> Log | None:
        return await SqliteLog.open_existing(self._path, shards, epoch=epoch)


class AmqpLogs(Logs):
    def __init__(self, url: str) -> None:
        self._url = url

    @override
    async def open(self, shards: int = SHARDS, epoch: int = 0) -> Log:
        return await AmqpLog.open(AmqpEndpoint.at(self._url), shards, epoch=epoch)

    @override
    async def open_current(self, shards: int = SHARDS, epoch: int = 0) -> Log | None:
        return await AmqpLog.open_current(AmqpEndpoint.at(self._url), shards, epoch=epoch)

    @override
    async def open_existing(self, epoch: int, shards: int = SHARDS) -> Log | None:
        return await AmqpLog.open_existing(AmqpEndpoint.at(self._url), shards, epoch=epoch)


async def read(log: Log, shard: int, start: Start, count: int) -> list[Batch]:
    """Return the first `count` batches from `start` on, waiting for them."""
    found: list[Batch] = []
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(log.follow(shard, start)) as batches:
        async for batch in batches:
            found.append(batch)
            if len(found) == count:
                break
    return found
