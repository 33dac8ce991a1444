"""Whatever happens to the log, all its readers see the same, without gaps or repeats.

Hypothesis draws what happens: publishers append and append again, confirms are lost, followers
start anywhere, the store fails in the middle, and everything restarts on the same files.
"""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client import CollectorRegistry
from typing_extensions import override

from madang_common.events.envelope import Event, read_line, room_audience
from madang_common.log.batching import BatchLimits
from madang_common.log.port import Batch, Log, LogError, LogUnavailable, Start
from madang_common.log.position import position, shard_of
from madang_common.log.publisher import Publisher
from madang_common.log.sqlite import SqliteLog
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.ingest.epoch import IngestPorts
from madang_history.ingest.ingest import Ingest
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.port import MessageStore, StoredEvent, StoreUnavailable
from madang_history.store.sqlite import SqliteMessageStore
from tests.support.older_logs import alone, no_older_logs

SHARDS = 2
PATIENCE_SECONDS = 30
ROOMS = ("yard", "gate", "well", "roof")
AUDIENCES = tuple(room_audience(room) for room in ROOMS)
SENDERS = ("ana", "bo")
SETTINGS = HistorySettings(
    history_write_events=3, history_retry_seconds=0.01, environment="development"
)

Position = tuple[int, bytes]


class Fault(Enum):
    NONE = "none"
    REFUSED = "refused, nothing is stored"
    UNCONFIRMED = "stored, but the confirm is lost"


class FaultyLog(Log):
    """A log whose next appends fail as `faults` say; it records what it really stored."""

    def __init__(self, inner: Log, faults: list[Fault], truth: dict[int, list[Batch]]) -> None:
        self._inner = inner
        self._faults = faults
        self._truth = truth
        self._closed = False

    @property
    @override
    def epoch(self) -> int:
        return self._inner.epoch

    @property
    @override
    def shards(self) -> int:
        return self._inner.shards

    @property
    @override
    def connected(self) -> bool:
        return self._inner.connected

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        fault = self._faults.pop(0) if self._faults else Fault.NONE
        if self._closed or fault is Fault.REFUSED:
            raise LogUnavailable(fault.value)
        # The log stores in the order of the calls, and nothing comes between this and the call.
        self._truth[shard].append(Batch(len(self._truth[shard]), lines))
        await self._inner.append(shard, lines)
        if fault is Fault.UNCONFIRMED:
            raise LogUnavailable(fault.value)

    @override
    def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        return self._inner.follow(shard, start)

    @override
    async def end(self, shard: int) -> int:
        return await self._inner.end(shard)

    @override
    async def ping(self) -> None:
        await self._inner.ping()

    @override
    async def close(self) -> None:
        self._closed = True
        await self._inner.close()


class FaultyStore(SqliteMessageStore):
    """A store whose next writes fail before, between, or after the events and the progress."""

    faults: list[str]

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise StoreUnavailable(fault)
        if fault == "some":
            await super().store(shard, entries[: len(entries) // 2], 0)
            raise StoreUnavailable(fault)
        if fault == "between":
            await super().store(shard, entries, 0)
            raise StoreUnavailable(fault)
        new = await super().store(shard, entries, progress)
        if fault == "after":
            raise StoreUnavailable(fault)
        return new


class Reader:
    """Consumes one shard, over restarts of the log, and records its batches."""

    def __init__(self, shard: int, start: int) -> None:
        self.shard = shard
        self.start = self.next = start
        self.seen: list[Batch] = []

    async def follow(self, chat_log: Log) -> None:
        async with aclosing(chat_log.follow(self.shard, self.next)) as batches:
            async for batch in batches:
                self.seen.append(batch)
                self.next = batch.offset + 1


def flat(batches: Sequence[Batch]) -> list[Position]:
    """Return the events of `batches` with their positions."""
    return [(position(b.offset, n), line) for b in batches for n, line in enumerate(b.lines)]


def first_of_each_key(events: Sequence[Position]) -> dict[str, list[Position]]:
    """Return, by audience, the events after deduplication by (sender, key)."""
    kept: dict[str, list[Position]] = defaultdict(list)
    known: set[tuple[str, str, str]] = set()
    for at, line in events:
        event = read_line(line)
        identity = (event.audience, event.sender, event.key)
        if identity not in known:
            known.add(identity)
            kept[event.audience].append((at, line))
    return kept


class World:
    """One process: the log, publishers, readers, and history with its store."""

    def __init__(self, folder: Path, truth: dict[int, list[Batch]]) -> None:
        self._folder = folder
        self._truth = truth
        self.log_faults: list[Fault] = []
        self.store_faults: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, readers: Sequence[Reader]) -> None:
        inner = await SqliteLog.open(self._folder / "log.db", SHARDS)
        self.log = FaultyLog(inner, self.log_faults, self._truth)
        limits = BatchLimits(lines=3)
        self.publishers = [Publisher(self.log, limits=limits, timeout_seconds=20) for _ in SENDERS]
        store = await FaultyStore.open(self._folder / "messages.db", SHARDS)
        store.faults = self.store_faults
        self.store: MessageStore = store
        metrics = HistoryMetrics(CollectorRegistry())
        dead_letters = SqliteDeadLetters(self._folder / "messages.db")
        ports = IngestPorts(self.store, dead_letters, alone, metrics, SETTINGS, clock=lambda: 0.0)
        ingest = Ingest(self.log, ports, older_logs=no_older_logs)
        self._tasks = [asyncio.create_task(ingest.run())]
        for reader in readers:
            self.follow(reader)

    def follow(self, reader: Reader) -> None:
        self._tasks.append(asyncio.create_task(reader.follow(self.log)))

    async def stop(self, *, flush: bool) -> None:
        """Stop, after the lines in flight or in the middle of them."""
        if flush:
            await asyncio.gather(*(publisher.close() for publisher in self.publishers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()
        await self.log.close()
        # The publishers try again, and are told that the log is gone.
        flushes = [flush for p in self.publishers for flush in p._flushes.values()]
        for task in flushes:
            task.cancel()
        await asyncio.gather(*flushes, return_exceptions=True)


class LogMachine(RuleBasedStateMachine):
    """Draws the steps, and checks the invariants after each."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.truth: dict[int, list[Batch]] = {shard: [] for shard in range(SHARDS)}
        self.confirmed: list[bytes] = []
        self.readers = [Reader(shard, 0) for shard in range(SHARDS)]
        self.world = World(Path(self.folder.name), self.truth)
        self.sent = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        async def within_reason() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await work

        self.runner.run(within_reason())

    @initialize()
    def start(self) -> None:
        self.run(self.world.start(self.readers))

    def _send(self, sender: int, room: str, key: str) -> None:
        self.sent += 1
        data = {"text": str(self.sent)}
        event = Event(
            key=key,
            kind="message.created",
            sender=SENDERS[sender],
            sender_name="",
            at="",
            data=data,
            room=room,
        )
        line = event.line()

        def done(error: LogError | None) -> None:
            if error is None:
                self.confirmed.append(line)

        self.world.publishers[sender].append(event.audience, line, done)

    @rule(
        sends=st.lists(
            st.tuples(st.integers(0, len(SENDERS) - 1), st.sampled_from(ROOMS), st.integers(0, 9)),
            min_size=1,
            max_size=12,
        )
    )
    def send(self, sends: list[tuple[int, str, int]]) -> None:
        """Send events, some with a key that was used before."""

        async def send() -> None:
            for sender, room, key in sends:
                self._send(sender, room, f"key-{key}")

        self.run(send())

    @rule(faults=st.lists(st.sampled_from(Fault), min_size=1, max_size=3))
    def fail_appends(self, faults: list[Fault]) -> None:
        self.world.log_faults[:] = faults

    @rule(faults=st.lists(st.sampled_from(["before", "some", "between", "after"]), max_size=3))
    def fail_stores(self, faults: list[str]) -> None:
        self.world.store_faults[:] = faults

    @rule(turns=st.integers(1, 20))
    def let_things_happen(self, turns: int) -> None:
        async def turn() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(turn())

    @precondition(lambda self: len(self.readers) < 10)
    @rule(shard=st.integers(0, SHARDS - 1), back=st.integers(-3, 30))
    def follow(self, shard: int, back: int) -> None:
        """Start a reader anywhere: from the beginning to a little beyond the end."""

        async def follow() -> None:
            start = max(0, await self.world.log.end(shard) - back)
            reader = Reader(shard, start)
            self.readers.append(reader)
            self.world.follow(reader)

        self.run(follow())

    @rule(flush=st.booleans())
    def restart(self, *, flush: bool) -> None:
        self.run(self.world.stop(flush=flush))
        self.run(self.world.start(self.readers))

    @rule()
    def settle(self) -> None:
        """Let everything arrive, and compare all readers."""
        self.run(self._settle())
        self._compare()

    async def _settle(self) -> None:
        await self._until(lambda: not any(p._flushes for p in self.world.publishers))
        ends = {shard: len(batches) for shard, batches in self.truth.items()}
        await self._until(lambda: all(r.next >= ends[r.shard] for r in self.readers))
        for shard, end in ends.items():
            while await self.world.store.progress(shard) < end:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.001)

    @staticmethod
    async def _until(holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110 - asks several parts that have no common event
            await asyncio.sleep(0.001)

    def _compare(self) -> None:
        for reader in self.readers:
            assert reader.seen == self.truth[reader.shard][reader.start :]
        stored = [line for batches in self.truth.values() for _, line in flat(batches)]
        assert set(self.confirmed) <= set(stored)
        self.run(self._compare_history())

    async def _compare_history(self) -> None:
        for audience in AUDIENCES:
            shard = shard_of(audience, SHARDS)
            kept = first_of_each_key(flat(self.truth[shard]))[audience]
            found = await self.world.store.after(audience, -1, len(kept) + 10)
            assert [(stored.position, stored.event.line()) for stored in found] == kept

    @invariant()
    def readers_see_no_gap_and_no_repeat(self) -> None:
        for reader in self.readers:
            expected = self.truth[reader.shard][reader.start :][: len(reader.seen)]
            assert reader.seen == expected

    @override
    def teardown(self) -> None:
        try:
            self.settle()
            self.run(self.world.stop(flush=True))
        finally:
            self.runner.close()
            self.folder.cleanup()


LogMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
# A failure is shrunk to its shortest story, which takes a while.
TestAllReadersSeeTheSame = pytest.mark.timeout(900)(LogMachine.TestCase)
