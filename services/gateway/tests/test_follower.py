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
from madang_gateway import follower
from madang_gateway.follower import Follower
from services.gateway.tests.core import Core
from services.gateway.tests.scene import message, until


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


class Scene:
    """A follower on a real log with one shard."""

    def __init__(self, log: Fickle) -> None:
        self.log = log
        self.core = Core()
        self.core.tail.reach[0] = None
        self.heard = self.core.listener().heard
        self.gaps = 0
        self.follower = Follower(
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
    monkeypatch.setattr(follower, "_PAUSE_SECONDS", 0.001)


MakeScene: TypeAlias = Callable[[], Scene]


@pytest.fixture
async def make_scene(tmp_path: Path) -> AsyncGenerator[MakeScene]:
    log = await Fickle.open(tmp_path / "log.db", 1)
    assert isinstance(log, Fickle)
    log.starts = []
    made: list[Scene] = []

    def make() -> Scene:
        made.append(Scene(log))
        return made[-1]

    yield make
    for scene in made:
        await scene.follower.stop()
    await log.close()


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene()


async def test_an_empty_log_is_caught_up_with_at_once_and_followed(scene: Scene) -> None:
    await scene.follower.start()
    await scene.follower.ping()
    assert scene.core.tail.reaches(0, -1)

    await scene.has_heard(await scene.append(3))

    assert scene.gaps == 0


async def test_the_start_is_over_when_the_recent_past_has_been_seen(scene: Scene) -> None:
    positions = await scene.append(50)

    await scene.follower.start()

    assert scene.heard == positions
    assert scene.core.tail.reaches(0, -1)
    assert isinstance(scene.log.starts[0], datetime)
    assert (datetime.now(UTC) - scene.log.starts[0]).total_seconds() == pytest.approx(60, abs=5)
    await scene.has_heard(positions + await scene.append(2))
    assert scene.gaps == 0


async def test_after_the_log_was_away_it_goes_on_at_the_next_offset(scene: Scene) -> None:
    await scene.follower.start()
    scene.log.fail_after = 1

    positions = await scene.append(4)
    await scene.has_heard(positions)

    assert scene.log.starts[1:] == [2]
    assert scene.gaps == 0
    await scene.follower.ping()


async def test_a_log_that_fails_while_it_is_caught_up_with_is_caught_up_with_later(
    scene: Scene,
) -> None:
    positions = await scene.append(5)
    scene.log.fail_after = 2

    await scene.follower.start()

    assert scene.heard == positions
    assert scene.log.starts[1:] == [3]


async def test_a_log_that_is_away_at_first_is_waited_for(scene: Scene) -> None:
    positions = await scene.append(1)
    scene.log.failing = True
    starting = asyncio.create_task(scene.follower.start())
    await until(lambda: len(scene.log.starts) > 2)
    assert not starting.done()
    with pytest.raises(ConnectionError):
        await scene.follower.ping()

    scene.log.failing = False
    await starting

    assert scene.heard == positions
    await scene.follower.ping()


async def test_a_gap_makes_everyone_start_over_and_is_not_covered_up(scene: Scene) -> None:
    await scene.follower.start()
    first = await scene.append(2)
    await scene.has_heard(first)
    scene.log.lost = frozenset({2, 3})

    _, _, after = await scene.append(3)

    await scene.has_heard([*first, after])
    assert scene.gaps == 1
    assert not scene.core.tail.reaches(0, first[-1])
    assert scene.core.tail.reaches(0, after - 1)


async def test_what_is_missing_before_the_start_is_no_gap(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.log.lost = frozenset({0, 1})
    *_, last = await scene.append(3)

    await scene.follower.start()

    assert scene.heard == [last]
    assert scene.gaps == 0
    assert not scene.core.tail.reaches(0, last - 2)
    assert scene.core.tail.reaches(0, last - 1)


async def test_a_follower_that_was_stopped_follows_no_more(scene: Scene) -> None:
    await scene.follower.start()

    await scene.follower.stop()

    with pytest.raises(ConnectionError):
        await scene.follower.ping()


async def test_a_follower_that_broke_is_not_ready(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.follower.start()

    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(scene.core.dispatcher, "apply", broken)
    await scene.append()
    await until(lambda: any(task.done() for task in scene.follower.tasks))

    with pytest.raises(ConnectionError):
        await scene.follower.ping()


async def test_a_follower_that_breaks_at_the_start_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(shard: int, batch: Batch) -> None:
        raise RuntimeError("a mistake of ours")

    await scene.append()
    monkeypatch.setattr(scene.core.dispatcher, "apply", broken)

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        await scene.follower.start()
