"""The consumer of the log."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from typing_extensions import override

from madang_common.log.port import Batch, LogUnavailable, Start
from madang_common.log.position import position
from madang_common.log.sqlite import SqliteLog
from madang_gateway.consume import log_consumer
from madang_gateway.consume.log_consumer import LogConsumer
from services.gateway.tests.event_pipeline import EventPipeline
from services.gateway.tests.harness import message, until


class Fickle(SqliteLog):
    """A log whose `follow` can end, fail or skip batches."""

    starts: list[Start]
    failing = False
    fail_after: int | None = None
    lost: frozenset[int] = frozenset()

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        self.starts.append(start)
        if self.failing:
            raise LogUnavailable("the log is away")
        async for batch in super().follow(shard, start):
            if batch.offset in self.lost:
                continue
            yield batch
            if batch.offset == self.fail_after:
                self.fail_after = None
                raise LogUnavailable("the log went away")


class Harness:
    """A consumer on a real log with one shard."""

    def __init__(self, log: Fickle) -> None:
        self.log = log
        self.core = EventPipeline()
        self.core.recent_events.reach[0] = None
        self.received = self.core.listener().received
        self.gaps = 0
        self.consumer = LogConsumer(
            log, self.core.dispatcher, self.core.recent_events, seconds=60, on_gap=self._gap
        )

    def _gap(self) -> None:
        self.gaps += 1

    async def append(self, count: int = 1) -> list[int]:
        positions = []
        for _ in range(count):
            positions.append(position(await self.log.end(0), 0))
            await self.log.append(0, (message().line(),))
        return positions

    async def has_heard(self, positions: list[int]) -> None:
        await until(lambda: len(self.received) >= len(positions))
        assert self.received == positions


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_consumer, "_RETRY_SECONDS", 0.001)


MakeHarness: TypeAlias = Callable[[], Harness]


@pytest.fixture
async def make_harness(tmp_path: Path) -> AsyncGenerator[MakeHarness]:
    log = await Fickle.open(tmp_path / "log.db", 1)
    assert isinstance(log, Fickle)
    log.starts = []
    made: list[Harness] = []

    def make() -> Harness:
        made.append(Harness(log))
        return made[-1]

    yield make
    for harness in made:
        await harness.consumer.stop()
    await log.close()


@pytest.fixture
def harness(make_harness: MakeHarness) -> Harness:
    return make_harness()


async def test_an_empty_log_is_consumed_from_its_start(harness: Harness) -> None:
    await harness.consumer.start()
    await harness.consumer.ping()
    assert harness.core.recent_events.reaches(0, -1)

    await harness.has_heard(await harness.append(3))

    assert harness.gaps == 0


async def test_start_returns_when_the_recent_past_was_applied(harness: Harness) -> None:
    positions = await harness.append(50)

    await harness.consumer.start()

    assert harness.received == positions
    assert harness.core.recent_events.reaches(0, -1)
    assert isinstance(harness.log.starts[0], datetime)
    assert (datetime.now(UTC) - harness.log.starts[0]).total_seconds() == pytest.approx(60, abs=5)
    await harness.has_heard(positions + await harness.append(2))
    assert harness.gaps == 0


async def test_after_an_outage_of_the_log_it_continues_at_the_next_offset(harness: Harness) -> None:
    await harness.consumer.start()
    harness.log.fail_after = 1

    positions = await harness.append(4)
    await harness.has_heard(positions)

    assert harness.log.starts[1:] == [2]
    assert harness.gaps == 0
    await harness.consumer.ping()


async def test_an_error_of_the_log_during_the_start_is_retried(
    harness: Harness,
) -> None:
    positions = await harness.append(5)
    harness.log.fail_after = 2

    await harness.consumer.start()

    assert harness.received == positions
    assert harness.log.starts[1:] == [3]


async def test_start_waits_while_the_log_is_unavailable(harness: Harness) -> None:
    positions = await harness.append(1)
    harness.log.failing = True
    starting = asyncio.create_task(harness.consumer.start())
    await until(lambda: len(harness.log.starts) > 2)
    assert not starting.done()
    with pytest.raises(ConnectionError):
        await harness.consumer.ping()

    harness.log.failing = False
    await starting

    assert harness.received == positions
    await harness.consumer.ping()


async def test_a_gap_is_reported_and_not_reached_across(harness: Harness) -> None:
    await harness.consumer.start()
    first = await harness.append(2)
    await harness.has_heard(first)
    harness.log.lost = frozenset({2, 3})

    _, _, after = await harness.append(3)

    await harness.has_heard([*first, after])
    assert harness.gaps == 1
    assert not harness.core.recent_events.reaches(0, first[-1])
    assert harness.core.recent_events.reaches(0, after - 1)


async def test_batches_missing_before_the_start_are_no_gap(make_harness: MakeHarness) -> None:
    harness = make_harness()
    harness.log.lost = frozenset({0, 1})
    *_, last = await harness.append(3)

    await harness.consumer.start()

    assert harness.received == [last]
    assert harness.gaps == 0
    assert not harness.core.recent_events.reaches(0, last - 2)
    assert harness.core.recent_events.reaches(0, last - 1)


async def test_a_stopped_consumer_is_not_ready(harness: Harness) -> None:
    await harness.consumer.start()

    await harness.consumer.stop()

    with pytest.raises(ConnectionError):
        await harness.consumer.ping()


async def test_a_broken_consumer_is_not_ready(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.consumer.start()

    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(harness.core.dispatcher, "apply", broken)
    await harness.append()
    await until(lambda: any(task.done() for task in harness.consumer.tasks))

    with pytest.raises(ConnectionError):
        await harness.consumer.ping()


async def test_start_raises_the_error_of_a_broken_consumer(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    await harness.append()
    monkeypatch.setattr(harness.core.dispatcher, "apply", broken)

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        await harness.consumer.start()
