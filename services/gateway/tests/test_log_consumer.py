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
    """A log whose reading can be made to end, to fail, or to have lost something."""

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
    """A follower on a real log with one shard."""

    def __init__(self, log: Fickle) -> None:
        self.log = log
        self.core = EventPipeline()
        self.core.tail.reach[0] = None
        self.heard = self.core.listener().heard
        self.gaps = 0
        self.follower = LogConsumer(
            log, self.core.dispatcher, self.core.tail, seconds=60, on_gap=self._gap
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
        await until(lambda: len(self.heard) >= len(positions))
        assert self.heard == positions


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_consumer, "_PAUSE_SECONDS", 0.001)


MakeScene: TypeAlias = Callable[[], Harness]


@pytest.fixture
async def make_scene(tmp_path: Path) -> AsyncGenerator[MakeScene]:
    log = await Fickle.open(tmp_path / "log.db", 1)
    assert isinstance(log, Fickle)
    log.starts = []
    made: list[Harness] = []

    def make() -> Harness:
        made.append(Harness(log))
        return made[-1]

    yield make
    for harness in made:
        await harness.follower.stop()
    await log.close()


@pytest.fixture
def harness(make_scene: MakeScene) -> Harness:
    return make_scene()


async def test_an_empty_log_is_caught_up_with_at_once_and_followed(harness: Harness) -> None:
    await harness.follower.start()
    await harness.follower.ping()
    assert harness.core.tail.reaches(0, -1)

    await harness.has_heard(await harness.append(3))

    assert harness.gaps == 0


async def test_the_start_is_over_when_the_recent_past_has_been_seen(harness: Harness) -> None:
    positions = await harness.append(50)

    await harness.follower.start()

    assert harness.heard == positions
    assert harness.core.tail.reaches(0, -1)
    assert isinstance(harness.log.starts[0], datetime)
    assert (datetime.now(UTC) - harness.log.starts[0]).total_seconds() == pytest.approx(60, abs=5)
    await harness.has_heard(positions + await harness.append(2))
    assert harness.gaps == 0


async def test_after_the_log_was_away_it_goes_on_at_the_next_offset(harness: Harness) -> None:
    await harness.follower.start()
    harness.log.fail_after = 1

    positions = await harness.append(4)
    await harness.has_heard(positions)

    assert harness.log.starts[1:] == [2]
    assert harness.gaps == 0
    await harness.follower.ping()


async def test_a_log_that_fails_while_it_is_caught_up_with_is_caught_up_with_later(
    harness: Harness,
) -> None:
    positions = await harness.append(5)
    harness.log.fail_after = 2

    await harness.follower.start()

    assert harness.heard == positions
    assert harness.log.starts[1:] == [3]


async def test_a_log_that_is_away_at_first_is_waited_for(harness: Harness) -> None:
    positions = await harness.append(1)
    harness.log.failing = True
    starting = asyncio.create_task(harness.follower.start())
    await until(lambda: len(harness.log.starts) > 2)
    assert not starting.done()
    with pytest.raises(ConnectionError):
        await harness.follower.ping()

    harness.log.failing = False
    await starting

    assert harness.heard == positions
    await harness.follower.ping()


async def test_a_gap_makes_everyone_start_over_and_is_not_covered_up(harness: Harness) -> None:
    await harness.follower.start()
    first = await harness.append(2)
    await harness.has_heard(first)
    harness.log.lost = frozenset({2, 3})

    _, _, after = await harness.append(3)

    await harness.has_heard([*first, after])
    assert harness.gaps == 1
    assert not harness.core.tail.reaches(0, first[-1])
    assert harness.core.tail.reaches(0, after - 1)


async def test_what_is_missing_before_the_start_is_no_gap(make_scene: MakeScene) -> None:
    harness = make_scene()
    harness.log.lost = frozenset({0, 1})
    *_, last = await harness.append(3)

    await harness.follower.start()

    assert harness.heard == [last]
    assert harness.gaps == 0
    assert not harness.core.tail.reaches(0, last - 2)
    assert harness.core.tail.reaches(0, last - 1)


async def test_a_follower_that_was_stopped_follows_no_more(harness: Harness) -> None:
    await harness.follower.start()

    await harness.follower.stop()

    with pytest.raises(ConnectionError):
        await harness.follower.ping()


async def test_a_follower_that_broke_is_not_ready(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.follower.start()

    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(harness.core.dispatcher, "apply", broken)
    await harness.append()
    await until(lambda: any(task.done() for task in harness.follower.tasks))

    with pytest.raises(ConnectionError):
        await harness.follower.ping()


async def test_a_follower_that_breaks_at_the_start_is_told(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    await harness.append()
    monkeypatch.setattr(harness.core.dispatcher, "apply", broken)

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        await harness.follower.start()
