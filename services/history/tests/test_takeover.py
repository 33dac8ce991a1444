"""Several replicas on one log and one MongoDB: takeover after failures."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from typing_extensions import override

from madang_common.log.port import Log
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.endpoint import MongoEndpoint
from madang_history.ingest.epoch import IngestPorts
from madang_history.ingest.ingest import Ingest
from madang_history.leases.mongo import MongoLeases
from madang_history.leases.port import Leases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import connected
from madang_history.store.port import Epoch, StoredEvent, StoreUnavailable
from stack.servers import MongoDB
from tests.support.older_logs import no_older_logs
from tests.support.waiting import until

from .conftest import SHARDS, an_event

SECONDS = 3.0
BUSY_SECONDS = 3.0
"""Tolerance for a busy machine."""
PATIENCE_SECONDS = 60
ROOMS = [f"room{n}" for n in range(6)]


class PausedStore(MongoMessageStore):
    """A store that can pause during a write, as after SIGSTOP."""

    running: asyncio.Event
    reached: asyncio.Event
    writes: int

    after_write: Callable[[], None] | None = None

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        self.reached.set()
        await self.running.wait()
        new = await super().store(shard, entries, progress)
        self.writes += 1
        if self.after_write is not None:
            self.after_write()
        return new


class Replica:
    """A running ingest and its metrics."""

    def __init__(self, log: Log, store: PausedStore, leases: MongoLeases, folder: Path) -> None:
        self.store = store
        self.leases = leases
        self._registry = CollectorRegistry()
        settings = HistorySettings(
            service_client_secret=SecretStr("for tests"),
            history_retry_seconds=0.1,
            history_lag_poll_seconds=0.05,
            history_write_events=20,
        )

        async def open_leases(epoch: Epoch) -> Leases:
            return leases

        ports = IngestPorts(
            store,
            SqliteDeadLetters(folder / "dead.db"),
            open_leases,
            HistoryMetrics(self._registry),
            settings,
            clock=time.time,
        )
        ingest = Ingest(log, ports, older_logs=no_older_logs)
        self.task = asyncio.create_task(ingest.run())

    def counted(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"madang_history_{name}", labels)

    @property
    def held(self) -> set[int]:
        return {s for s in range(SHARDS) if self.counted("shard_held", shard=str(s)) == 1}

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def die(self) -> None:
        """Stop as after SIGKILL, without releasing leases."""

        async def nothing() -> None:
            pass

        self.leases.release = nothing  # type: ignore[method-assign]  # skip the release
        await self.stop()


class Harness:
    """A log with a writer, and the replicas that store it."""

    def __init__(self, log: SqliteLog, folder: Path, stack: AsyncExitStack) -> None:
        self.log = log
        self._folder = folder
        self._stack = stack
        self.sent: list[tuple[str, str]] = []
        self._enough = False
        self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Append events to all rooms in turn, every third one twice."""
        number = 0
        while not self._enough:
            room, key = ROOMS[number % len(ROOMS)], str(number)
            line = an_event(key, room=room).line()
            times = 2 if number % 3 == 0 else 1
            for _ in range(times):
                await self.log.append(shard_of(f"rooms.{room}", SHARDS), (line,))
            self.sent.append((room, key))
            number += 1
            await asyncio.sleep(0.005)

    async def join(self, url: str, database: str) -> Replica:
        opening = connected(MongoEndpoint.at(url), database, timeout_seconds=1, connections=10)
        opened = await self._stack.enter_async_context(opening)
        store = await PausedStore.open(opened, SHARDS)
        store.running, store.reached, store.writes = asyncio.Event(), asyncio.Event(), 0
        store.running.set()
        leases = await MongoLeases.open(opened, SHARDS, seconds=SECONDS)
        replica = Replica(self.log, store, leases, self._folder)
        self._stack.push_async_callback(replica.stop)
        return replica

    async def stop_writing(self) -> None:
        self._enough = True
        await self._writing

    async def check(self, replica: Replica) -> None:
        """Stop the writer, wait for the store, and check that each event is stored once."""
        await self.stop_writing()
        for shard in range(SHARDS):
            end = await self.log.end(shard)
            await until_stored(replica.store, shard, end)
        for room in ROOMS:
            stored = await replica.store.after(f"rooms.{room}", -1, 100_000)
            keys = [found.event.key for found in stored]
            assert keys == [key for sent_to, key in self.sent if sent_to == room]


async def until_stored(store: MongoMessageStore, shard: int, offset: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await store.progress(shard) < offset:  # noqa: ASYNC110 - another replica stores it
            await asyncio.sleep(0.005)


@pytest.fixture
async def harness(log: SqliteLog, tmp_path: Path) -> AsyncIterator[Harness]:
    async with AsyncExitStack() as stack:
        harness = Harness(log, tmp_path, stack)
        stack.push_async_callback(harness.stop_writing)
        yield harness


async def test_changing_replicas_store_every_event_once(
    harness: Harness, mongo_url: str, mongo_database: str
) -> None:
    first = await harness.join(mongo_url, mongo_database)
    await until(lambda: first.held == {0, 1})
    second = await harness.join(mongo_url, mongo_database)
    await until(lambda: len(first.held) == len(second.held) == 1)
    await first.stop()
    await until(lambda: second.held == {0, 1})
    third = await harness.join(mongo_url, mongo_database)
    await until(lambda: len(third.held) == 1)

    await harness.check(third)

    assert (first.held, second.held & third.held) == (set(), set())


async def test_shards_of_a_dead_replica_are_taken_over_within_the_lease_time(
    harness: Harness, mongo_url: str, mongo_database: str
) -> None:
    first = await harness.join(mongo_url, mongo_database)
    second = await harness.join(mongo_url, mongo_database)
    await until(lambda: len(first.held) == len(second.held) == 1)
    await until(lambda: len(harness.sent) > 100)

    await first.die()
    died = time.monotonic()
    await until(lambda: second.held == {0, 1})

    assert time.monotonic() - died < SECONDS + BUSY_SECONDS
    await harness.check(second)


async def test_a_replica_that_pauses_during_a_write_does_no_harm_afterwards(
    harness: Harness, mongo_url: str, mongo_database: str
) -> None:
    first = await harness.join(mongo_url, mongo_database)
    await until(lambda: first.held == {0, 1} and first.store.writes > 5)
    # As after SIGSTOP: the write in progress pauses, and leases are not renewed.
    first.store.running.clear()
    first.store.reached.clear()
    await asyncio.wait_for(first.store.reached.wait(), PATIENCE_SECONDS)
    lost = first.leases._until
    first.leases._clock = lambda: lost - 0.001
    renewing = first.leases._renew
    first.leases._renew = asyncio.Event().wait  # type: ignore[method-assign, assignment]  # hang

    second = await harness.join(mongo_url, mongo_database)
    await until(lambda: second.held == {0, 1} and second.store.writes > 5)
    before = [await second.store.progress(shard) for shard in range(SHARDS)]

    def advance_clock() -> None:
        first.leases._clock = time.monotonic

    # As after SIGCONT: the write completes, and no other write follows.
    writes = first.store.writes
    first.store.after_write = advance_clock
    first.store.running.set()
    await until(lambda: not first.held)
    assert first.store.writes - writes in {1, 2}, "one for each held shard"
    first.leases._renew = renewing  # type: ignore[method-assign]  # the original
    await until(lambda: len(first.held) == len(second.held) == 1)

    after = [await second.store.progress(shard) for shard in range(SHARDS)]
    assert all(now >= then for now, then in zip(after, before, strict=True))
    await harness.check(second)


async def test_a_replica_has_metrics_of_its_own_shards_only(
    harness: Harness, mongo_url: str, mongo_database: str
) -> None:
    first = await harness.join(mongo_url, mongo_database)
    await until(lambda: first.held == {0, 1})
    await until(lambda: all(first.counted("end_offset", shard=s) is not None for s in "01"))
    second = await harness.join(mongo_url, mongo_database)
    await until(lambda: len(first.held) == len(second.held) == 1)
    await until(lambda: second.counted("end_offset", shard="1") is not None)

    (lost,) = second.held
    for name in ("stored_offset", "end_offset", "behind_seconds"):
        assert first.counted(name, shard=str(lost)) is None
        assert first.counted(name, shard=str(1 - lost)) is not None


async def test_every_replica_returns_the_same(
    harness: Harness, mongo_url: str, mongo_database: str
) -> None:
    first = await harness.join(mongo_url, mongo_database)
    second = await harness.join(mongo_url, mongo_database)
    await until(lambda: len(first.held) == len(second.held) == 1)
    await until(lambda: len(harness.sent) > 100)

    await harness.check(first)

    for shard in range(SHARDS):
        assert await first.store.progress(shard) == await second.store.progress(shard)
    for room in ROOMS:
        audience = f"rooms.{room}"
        assert await first.store.after(audience, -1, 1000) == await second.store.after(
            audience, -1, 1000
        )


async def test_a_crash_of_mongodb_loses_and_duplicates_nothing(
    harness: Harness, private_mongodb: MongoDB
) -> None:
    first = await harness.join(private_mongodb.url, "madang")
    second = await harness.join(private_mongodb.url, "madang")
    await until(lambda: len(first.held) == len(second.held) == 1)

    for _ in range(2):
        stored = len(harness.sent)
        await until(lambda: len(harness.sent) > stored + 100)  # noqa: B023 - waited for at once
        await asyncio.to_thread(private_mongodb.kill)
        await until(lambda: not first.held and not second.held)
        with pytest.raises(StoreUnavailable):
            await first.store.ping()
        await asyncio.to_thread(private_mongodb.start)
        await until(lambda: first.held | second.held == {0, 1})

    await harness.check(first)
