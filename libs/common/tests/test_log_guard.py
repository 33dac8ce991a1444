"""The guard of a log: what it says, and what it asks of the log."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from typing_extensions import override

from madang_common import tasks
from madang_common.log import guard
from madang_common.log.guard import GuardedLog
from madang_common.log.port import (
    Batch,
    LogEnded,
    LogError,
    LogLost,
    LogUnavailable,
    LogUnverified,
    Start,
)
from madang_common.log.sqlite import SqliteLog
from madang_common.metrics import LogMetrics
from tests.support.waiting import until


class Losable(SqliteLog):
    """A log that a test loses, and that counts what it is asked."""

    failure: LogError | None = None
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        self._ask()
        await super().append(shard, lines)

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        self._ask()
        async for batch in super().follow(shard, start):
            yield batch

    @override
    async def end(self, shard: int) -> int:
        self._ask()
        return await super().end(shard)

    @override
    async def ping(self) -> None:
        self._ask()
        await super().ping()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def inner(tmp_path: Path) -> AsyncIterator[Losable]:
    log = await Losable.open(tmp_path / "log.db", 2)
    yield log
    await log.close()


@pytest.fixture
def log(inner: Losable, registry: CollectorRegistry) -> GuardedLog:
    return GuardedLog(inner, LogMetrics(registry, "test"))


def metric(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(f"madang_log_{name}", {"service": "test"})


async def use(log: GuardedLog) -> list[type[BaseException] | None]:
    """Return the error of each operation, None if it succeeds."""
    following = log.follow(0, 0)
    operations = (log.append(0, (b"a",)), log.end(0), anext(following), log.ping())
    results = [await asyncio.gather(one, return_exceptions=True) for one in operations]
    await following.aclose()
    errors = [result for (result,) in results]
    return [type(error) if isinstance(error, BaseException) else None for error in errors]


async def test_a_log_that_may_be_used_is_passed_through(
    log: GuardedLog, inner: Losable, registry: CollectorRegistry
) -> None:
    assert await use(log) == [None] * 4

    assert (log.epoch, log.shards, log.connected) == (0, 2, True)
    assert [metric(registry, name) for name in ("lost", "ended", "verified")] == [0, 0, 1]
    inner.failure = LogUnavailable("away")
    assert await use(log) == [LogUnavailable] * 4
    inner.failure = None
    assert await use(log) == [None] * 4
    await log.close()
    assert not inner.connected


@pytest.mark.parametrize("first", range(4))
async def test_a_lost_log_is_told_once_and_asked_no_more(
    log: GuardedLog, inner: Losable, registry: CollectorRegistry, first: int
) -> None:
    inner.failure = LogLost("no stream")
    following = log.follow(0, 0)
    operations = [log.append(0, (b"a",)), log.end(0), anext(following), log.ping()]

    with capture_logs() as entries:
        with pytest.raises(LogLost):
            await operations[first]
        assert log.lost
        for _ in range(3):
            assert await use(log) == [LogLost] * 4

    assert inner.asked == 1
    assert metric(registry, "lost") == 1
    assert entries == [
        {
            "event": "log_lost",
            "log_level": "error",
            "reason": "no stream",
            "epoch": 0,
            "runbook": "docs/runbooks/broker-data-lost.md",
        }
    ]
    for operation in operations[:first] + operations[first + 1 :]:
        operation.close()
    await following.aclose()


@pytest.mark.parametrize("reads", [True, False])
async def test_a_slow_check_finds_the_same_log_again(
    inner: Losable, registry: CollectorRegistry, *, reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_CHECK_SECONDS", 0.02)
    log = GuardedLog(inner, LogMetrics(registry, "test"), reads=reads)
    watching = asyncio.create_task(log.watch())
    await asyncio.sleep(0.1)
    assert inner.asked == 0
    with capture_logs() as entries:
        inner.failure = LogLost("no stream")
        assert await use(log) == [LogLost] * 4
        await until(lambda: inner.asked >= 4)
        inner.failure = LogUnavailable("away")
        await asyncio.sleep(0.1)
        assert log.lost
        inner.failure = None
        await until(lambda: not log.lost)

    assert await use(log) == [None] * 4
    assert metric(registry, "lost") == 0
    assert [entry["event"] for entry in entries] == ["log_lost", "log_found"]
    await tasks.stop(watching)


async def test_the_check_of_a_process_that_may_not_read_does_not_read(
    inner: Losable, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: int) -> int:
        raise LogUnavailable("ACCESS_REFUSED")

    monkeypatch.setattr(guard, "_CHECK_SECONDS", 0.02)
    log = GuardedLog(inner, LogMetrics(registry, "test"), reads=False)
    watching = asyncio.create_task(log.watch())
    inner.failure = LogLost("no stream")
    with pytest.raises(LogLost):
        await log.append(0, (b"a",))
    monkeypatch.setattr(inner, "end", refuse)
    inner.failure = None

    await until(lambda: not log.lost)

    await tasks.stop(watching)


async def test_the_end_of_the_epoch_is_told_once_and_for_good(
    log: GuardedLog, inner: Losable, registry: CollectorRegistry, tmp_path: Path
) -> None:
    calls: list[None] = []
    log.on_ended = lambda: calls.append(None)
    await log.append(0, (b"a",))
    await (await SqliteLog.open(tmp_path / "log.db", 2, epoch=1)).close()

    with capture_logs() as entries:
        assert await use(log) == [LogEnded, None, None, LogEnded]
        assert await use(log) == [LogEnded, None, None, LogEnded]
        for shard in range(2):
            with pytest.raises(LogEnded) as ended:
                async for _ in log.follow(shard, 0):
                    pass
            assert ended.value.end == 1 - shard

    assert len(calls) == 1
    assert metric(registry, "ended") == 1
    assert entries == [
        {"event": "log_ended", "log_level": "error", "epoch": 0, "set": "MADANG_LOG_EPOCH=1"}
    ]
    assert inner.asked == 8


async def test_nothing_is_appended_before_the_log_is_verified(
    inner: Losable, registry: CollectorRegistry
) -> None:
    log = GuardedLog(inner, LogMetrics(registry, "test"), verified=False)
    assert metric(registry, "verified") == 0

    with pytest.raises(LogUnverified):
        await log.append(0, (b"a",))
    with pytest.raises(LogUnverified):
        await log.ping()
    assert await log.end(0) == 0
    assert inner.asked == 1

    log.verify()

    assert metric(registry, "verified") == 1
    assert await use(log) == [None] * 4


async def test_a_lost_log_stays_lost_when_it_is_verified(
    inner: Losable, registry: CollectorRegistry
) -> None:
    log = GuardedLog(inner, LogMetrics(registry, "test"), verified=False)
    inner.failure = LogLost("no stream")
    with pytest.raises(LogLost):
        await log.end(0)

    log.verify()

    with pytest.raises(LogLost):
        await log.append(0, (b"a",))


async def test_a_log_that_was_lost_and_is_back_has_to_be_verified_again(
    inner: Losable, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_CHECK_SECONDS", 0.02)
    log = GuardedLog(inner, LogMetrics(registry, "test"), verified=False, reads=False)
    log.verify()
    watching = asyncio.create_task(log.watch())
    inner.failure = LogLost("no stream")
    with pytest.raises(LogLost):
        await log.append(0, (b"a",))
    inner.failure = None

    async with asyncio.timeout(10):
        await log.until_unverified()

    assert metric(registry, "verified") == 0
    with pytest.raises(LogUnverified):
        await log.append(0, (b"a",))
    log.verify()
    await log.append(0, (b"a",))
    await tasks.stop(watching)
