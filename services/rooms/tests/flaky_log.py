"""The embedded log with failures that a test switches on."""

import asyncio
from collections.abc import AsyncGenerator

from typing_extensions import override

from madang_common.log.port import Batch, Log, LogError, LogUnavailable, Start


class FlakyLog(Log):
    """Wraps a log, and fails as a broker does."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.unavailable: set[int] = set()
        """Shards that are unavailable."""
        self.confirms_to_lose = 0
        """Number of appends to store without a confirm."""
        self.failure: LogError | None = None
        """Error of every append and ping."""
        self.appends = 0
        """Number of appends that it was asked for."""
        self.tried = asyncio.Event()
        """Set by each append."""

    @property
    @override
    def epoch(self) -> int:
        return self._log.epoch

    @property
    @override
    def shards(self) -> int:
        return self._log.shards

    @property
    @override
    def connected(self) -> bool:
        return not self.unavailable

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        self.tried.set()
        self.appends += 1
        if self.failure is not None:
            raise self.failure
        if shard in self.unavailable:
            raise LogUnavailable("unavailable")
        await self._log.append(shard, lines)
        if self.confirms_to_lose:
            self.confirms_to_lose -= 1
            raise LogUnavailable("the confirm was lost")

    @override
    def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        return self._log.follow(shard, start)

    @override
    async def end(self, shard: int) -> int:
        return await self._log.end(shard)

    @override
    async def ping(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.unavailable:
            raise LogUnavailable("unavailable")
        await self._log.ping()

    @override
    async def close(self) -> None:
        await self._log.close()
