"""Several replicas complete an older epoch of the log on one MongoDB."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from madang_common.log.position import first_offset, shard_of
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.endpoint import MongoEndpoint
from madang_history.ingest.epoch import IngestPorts
from madang_history.ingest.ingest import Ingest
from madang_history.leases.mongo import MongoLeases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import Database, connected
from madang_history.store.port import Epoch

from .conftest import SHARDS, an_event

MORE = 3
ROOMS = [f"room{number}" for number in range(6)]
SECONDS = 2.0
PATIENCE_SECONDS = 60
SETTINGS = HistorySettings(
    service_client_secret=SecretStr("for tests"),
    history_retry_seconds=0.1,
    history_lag_poll_seconds=0.05,
    history_write_events=20,
)


class Replicas:
    """Replicas of history, each with a connection of its own; any of them can be stopped."""

    def __init__(self, url: str, database: str, folder: Path, stack: AsyncExitStack) -> None:
        self.path = folder / "log.db"
        self._folder = folder
        self._endpoint = MongoEndpoint.at(url)
        self._database = database
        self._stack = stack

    async def connect(self) -> Database:
        opening = connected(self._endpoint, self._database, timeout_seconds=10, connections=10)
        return await self._stack.enter_async_context(opening)

    async def start(self, log: SqliteLog) -> asyncio.Task[None]:
        """Start a replica on `log`."""
        database = await self.connect()
        store = await MongoMessageStore.open(database, log.shards, epoch=log.epoch)

        async def open_leases(epoch: Epoch) -> MongoLeases:
            return await MongoLeases.open(
                database, epoch.shards, epoch=epoch.number, seconds=SECONDS
            )

        ports = IngestPorts(
            store,
            SqliteDeadLetters(self._folder / "dead.db"),
            open_leases,
            HistoryMetrics(CollectorRegistry()),
            SETTINGS,
            clock=time.time,
        )
        ingest = Ingest(log, ports, older_logs=partial(open_epoch_file, self.path))
        return self.run(ingest.run())

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._stack.push_async_callback(partial(stop, task))
        return task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def replicas(mongo_url: str, mongo_database: str, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        yield Replicas(mongo_url, mongo_database, tmp_path, stack)


async def fill(log: SqliteLog, begin: int, end: int) -> None:
    """Append messages with the keys `begin` to `end`, each in every room."""
    for number in range(begin, end):
        for room in ROOMS:
            line = an_event(str(number), room=room).line()
            await log.append(shard_of(f"rooms.{room}", log.shards), (line,))


async def until_stored(store: MongoMessageStore, log: SqliteLog) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for shard in range(log.shards):
            end = await log.end(shard)
            while await store.progress(shard) < end:  # noqa: ASYNC110 - another replica stores it
                await asyncio.sleep(0.01)


async def check(store: MongoMessageStore, count: int) -> None:
    """Check that each room has each of the messages once, in order."""
    for room in ROOMS:
        found = await store.after(f"rooms.{room}", -1, 10_000)
        assert [stored.event.key for stored in found] == [str(number) for number in range(count)]


@pytest.mark.parametrize("one_stops", [False, True])
async def test_replicas_complete_the_older_epoch_together_and_share_the_new_one(
    replicas: Replicas, *, one_stops: bool
) -> None:
    """Also when the one that still is in the older epoch stops, or another one."""
    old = await SqliteLog.open(replicas.path, SHARDS)
    older = await replicas.start(old)
    await fill(old, 0, 40)
    new = await SqliteLog.open(replicas.path, MORE, epoch=1)
    await fill(new, 30, 60)  # some with a key that the older epoch has

    first, second = await replicas.start(new), await replicas.start(new)
    if one_stops:
        await stop(first)
    await stop(older)
    store = await MongoMessageStore.open(await replicas.connect(), MORE, epoch=1)
    await until_stored(store, new)

    await check(store, 60)
    assert [epoch.shards for epoch in await store.epochs()] == [SHARDS, MORE]
    for shard in range(SHARDS):
        progress = await store.progress_of(shard, 0)
        assert (progress.next, progress.lost) == (await old.end(shard), False)
        assert progress.is_sealed
    await stop(second)
    await old.close()
    await new.close()


async def test_all_replicas_find_the_same_loss(replicas: Replicas) -> None:
    old = await SqliteLog.open(replicas.path, SHARDS)
    older = await replicas.start(old)
    await fill(old, 0, 5)
    store = await MongoMessageStore.open(await replicas.connect(), SHARDS)
    await until_stored(store, old)
    await stop(older)
    await old.close()
    for file in replicas.path.parent.glob("log.db*"):
        file.unlink()
    await store.note_end(0, 100)

    new = await SqliteLog.open(replicas.path, SHARDS, epoch=1)
    await fill(new, 5, 8)
    for _ in range(3):
        await replicas.start(new)
    later = await MongoMessageStore.open(await replicas.connect(), SHARDS, epoch=1)
    await until_stored(later, new)

    await check(later, 8)
    progress = await later.progress_of(0, 0)
    assert (progress.end, progress.lost) == (100, True)
    assert await later.progress(1) >= first_offset(1)
    await new.close()
