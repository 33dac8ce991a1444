import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from typing_extensions import override

from madang_common.clock import rfc3339
from madang_common.events.envelope import Event
from madang_common.log import port as log_port
from madang_common.log.port import Batch, Log, LogUnavailable, Retention
from madang_common.log.position import position, shard_of
from madang_common.log.sqlite import SqliteLog
from madang_history.dead_letters.port import DeadLetter, DeadLetters
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.ingest.epoch import IngestPorts, age_seconds
from madang_history.ingest.ingest import Ingest
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.epochs import check_log
from madang_history.store.port import (
    Gap,
    MessageStore,
    StoredEvent,
    StoreMismatch,
    StoreUnavailable,
)
from madang_history.store.sqlite import SqliteMessageStore
from tests.support.older_logs import alone, no_older_logs

from .conftest import SHARDS, an_event

ROOM = "rooms.yard"
SHARD = shard_of(ROOM, SHARDS)
PATIENCE_SECONDS = 20


class FlakyStore(SqliteMessageStore):
    """The embedded store; awaits `before_write` before each write, which tests may set."""

    writes: list[int]
    """Number of events of each write."""
    before_write: Callable[[], Awaitable[object]] | None = None

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        if self.before_write is not None:
            await self.before_write()
        if shard == SHARD:
            self.writes.append(len(entries))
        return await super().store(shard, entries, progress)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FlakyStore]:
    store = await FlakyStore.open(tmp_path / "store.db", SHARDS)
    store.writes = []
    yield store
    await store.close()


class Running:
    """A running ingest and its metrics."""

    def __init__(self, ingest: Ingest, registry: CollectorRegistry) -> None:
        self.task = asyncio.create_task(ingest.run())
        self._registry = registry

    def counted(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"madang_history_{name}", labels) or 0.0

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - metrics have no event to wait for
                await asyncio.sleep(0.001)

    async def stored(self, offset: int) -> None:
        """Return when the yard's shard is stored up to `offset`."""
        await self.until(lambda: self.counted("stored_offset", shard=str(SHARD)) >= offset)


def _ingest(
    log: Log,
    store: MessageStore,
    dead_letters: DeadLetters,
    registry: CollectorRegistry,
    settings: HistorySettings,
) -> Ingest:
    metrics = HistoryMetrics(registry)
    ports = IngestPorts(store, dead_letters, alone, metrics, settings, clock=time.time)
    return Ingest(log, ports, older_logs=no_older_logs)


Start = Callable[[Log, SqliteMessageStore], AbstractAsyncContextManager[Running]]


@pytest.fixture
def dead_letters(tmp_path: Path) -> SqliteDeadLetters:
    return SqliteDeadLetters(tmp_path / "dead.db")


@pytest.fixture
def running(settings: HistorySettings, dead_letters: SqliteDeadLetters) -> Start:
    @asynccontextmanager
    async def running(log: Log, store: SqliteMessageStore) -> AsyncIterator[Running]:
        registry = CollectorRegistry()
        ingest = _ingest(log, store, dead_letters, registry, settings)
        running = Running(ingest, registry)
        yield running
        running.task.cancel()
        await asyncio.wait([running.task])

    return running


async def append(log: Log, *events: Event | bytes) -> None:
    """Append each event as its own batch."""
    for event in events:
        await log.append(SHARD, (event if isinstance(event, bytes) else event.line(),))


async def keys(store: SqliteMessageStore) -> list[str]:
    return [found.event.key for found in await store.after(ROOM, -1, 1000)]


async def kept(dead_letters: SqliteDeadLetters) -> list[DeadLetter]:
    found: list[DeadLetter] = []

    async def look(dead: DeadLetter) -> bool:
        found.append(dead)
        return False

    await dead_letters.visit(look, most=100)
    return found


async def test_events_before_and_after_the_start_are_stored(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    await append(log, an_event("before"))

    async with running(log, store) as at_work:
        await append(log, an_event("while"))
        await at_work.stored(2)

    assert await keys(store) == ["before", "while"]
    found = await store.after(ROOM, -1, 10)
    assert [stored.position for stored in found] == [position(0, 0), position(1, 0)]
    assert at_work.counted("events_stored_total") == 2


async def test_ingest_resumes_from_its_progress(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    async with running(log, store) as at_work:
        await append(log, an_event("1"), an_event("2"))
        await at_work.stored(2)
    await append(log, an_event("3"))

    async with running(log, store) as at_work:
        await at_work.stored(3)

    assert await keys(store) == ["1", "2", "3"]
    assert at_work.counted("events_stored_total") == 1
    assert at_work.counted("events_repeated_total") == 0


async def test_a_duplicate_event_is_stored_once(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    twice = an_event("again")
    other = an_event("again", data={"text": "another body"})

    async with running(log, store) as at_work:
        await append(log, twice, other, an_event("again", sender="bo"), twice)
        await at_work.stored(4)

    found = await store.after(ROOM, -1, 10)
    assert [stored.position for stored in found] == [position(0, 0), position(2, 0)]
    assert found[0].event == twice
    assert at_work.counted("events_repeated_total") == 2


async def test_queued_batches_share_a_write_up_to_a_limit(
    log: SqliteLog,
    store: FlakyStore,
    dead_letters: SqliteDeadLetters,
    settings: HistorySettings,
) -> None:
    await append(log, *(an_event(str(n)) for n in range(250)))
    bounded = settings.model_copy(update={"history_write_events": 100})
    registry = CollectorRegistry()
    ingest = _ingest(log, store, dead_letters, registry, bounded)

    at_work = Running(ingest, registry)
    await at_work.stored(250)
    at_work.task.cancel()
    await asyncio.wait([at_work.task])

    assert sum(store.writes) == 250
    assert max(store.writes) == 100
    assert len(store.writes) < 20


async def test_an_invalid_line_becomes_a_dead_letter_and_ingest_continues(
    log: SqliteLog, store: FlakyStore, dead_letters: SqliteDeadLetters, running: Start
) -> None:
    await append(log, an_event("1"), b"\xff poison", an_event("2"))

    with capture_logs() as logged:
        async with running(log, store) as at_work:
            await at_work.stored(3)

    assert await keys(store) == ["1", "2"]
    assert at_work.counted("events_dead_total") == 1
    (dead,) = await kept(dead_letters)
    assert (dead.shard, dead.position, dead.line) == (SHARD, position(1, 0), b"\xff poison")
    assert dead.reason
    (logged_error,) = [line for line in logged if line["event"] == "line_set_aside"]
    assert logged_error["log_level"] == "error"


async def test_a_batch_of_invalid_lines_does_not_stop_ingest(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    async with running(log, store) as at_work:
        await append(log, b"", b"{}", b"[]")
        await at_work.stored(3)

    assert at_work.counted("events_dead_total") == 3
    assert await store.progress(SHARD) == 3


async def test_an_unavailable_store_is_retried_without_skipping(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    unavailable = True

    async def fail() -> None:
        if unavailable:
            raise StoreUnavailable("unavailable")

    store.before_write = fail
    async with running(log, store) as at_work:
        await append(log, *(an_event(str(n)) for n in range(5)))
        await at_work.until(lambda: at_work.counted("ingest_failures_total") >= 3)
        await at_work.until(lambda: at_work.counted("behind_seconds", shard=str(SHARD)) > 0)
        assert await store.progress(SHARD) == 0

        unavailable = False
        await at_work.stored(5)

    assert await keys(store) == ["0", "1", "2", "3", "4"]


async def test_an_unexpected_error_is_retried_without_skipping(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    failures = [RuntimeError("a bug"), KeyError("another")]

    async def fail() -> None:
        if failures:
            raise failures.pop()

    store.before_write = fail
    async with running(log, store) as at_work:
        await append(log, an_event("1"), an_event("2"))
        await at_work.stored(2)

    assert await keys(store) == ["1", "2"]


class FlakyLog(SqliteLog):
    """The embedded log, whose readers fail after each batch."""

    starts: list[log_port.Start]

    @override
    async def follow(self, shard: int, start: log_port.Start) -> AsyncGenerator[Batch]:
        if shard == SHARD:
            self.starts.append(start)
        async for batch in super().follow(shard, start):
            yield batch
            raise LogUnavailable("the connection was lost")


async def test_after_a_failure_of_the_log_reading_resumes_at_the_next_offset(
    tmp_path: Path, store: FlakyStore, running: Start
) -> None:
    log = await FlakyLog.open(tmp_path / "flaky.db", SHARDS)
    log.starts = []
    await append(log, an_event("0"), an_event("1"), an_event("2"))

    async with running(log, store) as at_work:
        await at_work.stored(3)

    assert await keys(store) == ["0", "1", "2"]
    assert log.starts[:3] == [0, 1, 2]
    await log.close()


async def test_batches_that_the_log_dropped_are_recorded_as_a_gap(
    tmp_path: Path, store: FlakyStore, running: Start
) -> None:
    now = 1_000_000.0
    log = await SqliteLog.open(
        tmp_path / "short.db", SHARDS, retention=Retention(seconds=10), clock=lambda: now
    )
    async with running(log, store) as at_work:
        await append(log, an_event("1"), an_event("2"))
        await at_work.stored(2)
    await append(log, an_event("lost"), an_event("lost too"), an_event("kept"))
    now += 60
    await append(log, an_event("new"))
    await log.close()
    log = await SqliteLog.open(tmp_path / "short.db", SHARDS)

    with capture_logs() as logged:
        async with running(log, store) as at_work:
            await at_work.stored(6)

    assert await keys(store) == ["1", "2", "kept", "new"]
    assert await store.gaps(SHARD) == [Gap(2, 4)]
    assert at_work.counted("lost_batches_total") == 2
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["log_hole"]
    await log.close()


async def test_ingest_stops_during_a_write_and_resumes_later(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    reached = asyncio.Event()

    async def fail() -> None:
        reached.set()
        await asyncio.Event().wait()

    store.before_write = fail
    async with running(log, store) as at_work:
        await append(log, an_event("1"))
        await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
    assert at_work.task.cancelled()

    store.before_write = None
    async with running(log, store) as at_work:
        await at_work.stored(1)

    assert await keys(store) == ["1"]


async def test_the_lag_is_measured(log: SqliteLog, store: FlakyStore, running: Start) -> None:
    go_on = asyncio.Event()
    store.before_write = go_on.wait
    shard = str(SHARD)
    async with running(log, store) as at_work:
        await append(log, an_event("1", at=rfc3339(time.time() - 100)), an_event("2"))

        await at_work.until(lambda: at_work.counted("behind_seconds", shard=shard) > 99)
        await at_work.until(lambda: at_work.counted("end_offset", shard=shard) == 2)
        assert at_work.counted("behind_seconds", shard=shard) < 200
        assert at_work.counted("stored_offset", shard=shard) == 0

        go_on.set()
        await at_work.stored(2)
        await at_work.until(lambda: at_work.counted("behind_seconds", shard=shard) == 0)


def test_the_age_of_a_batch_is_the_age_of_its_first_event() -> None:
    lines = (b"poison", an_event("k", at="whenever").line(), an_event("k", at=rfc3339(90)).line())

    assert age_seconds(Batch(0, lines), 100) == 10
    assert age_seconds(Batch(0, lines), 80) == 0
    assert age_seconds(Batch(0, lines[:2]), 100) == 0
    assert age_seconds(None, 100) == 0


async def test_a_store_ahead_of_the_log_is_refused(log: SqliteLog, store: FlakyStore) -> None:
    await append(log, an_event("1"))
    await store.store(SHARD, [], 1)
    await check_log(log, store)

    await store.store(SHARD, [], 2)

    with pytest.raises(StoreMismatch, match="another log"):
        await check_log(log, store)


async def test_a_log_that_ends_before_what_was_seen_of_it_is_refused(
    log: SqliteLog, store: FlakyStore
) -> None:
    await append(log, an_event("1"))
    await store.store(SHARD, [], 1)
    await store.note_end(SHARD, await log.end(SHARD))
    await check_log(log, store)

    await store.note_end(SHARD, 3)

    with pytest.raises(StoreMismatch, match="reached offset 3, but this log ends at 1"):
        await check_log(log, store)


async def test_a_log_may_lag_for_a_moment_behind_what_was_seen_of_it(
    log: SqliteLog, store: FlakyStore
) -> None:
    await store.note_end(SHARD, 1)

    checking = asyncio.create_task(check_log(log, store, lag_seconds=20))
    await asyncio.sleep(0.05)
    await append(log, an_event("1"))

    await checking


async def test_messages_in_flight_during_a_removal_are_dropped_also_after_a_restart(
    log: SqliteLog, store: FlakyStore, running: Start
) -> None:
    removal = an_event("gone", kind="member.removed", sender="owner", data={"user": "ana"})
    async with running(log, store) as at_work:
        await append(log, an_event("before"), removal)
        await at_work.stored(2)

    async with running(log, store) as at_work:
        await append(log, an_event("behind"))
        await at_work.stored(3)

    assert await keys(store) == ["before", "gone"]
    assert at_work.counted("events_barred_total") == 1
