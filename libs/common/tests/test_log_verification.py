"""The comparison of a process' log with the one of history."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from madang_common.http.client import create_client
from madang_common.log import verification
from madang_common.log.guard import GuardedLog
from madang_common.log.port import LogUnverified
from madang_common.log.sqlite import SqliteLog
from madang_common.log.verification import verify, verify_once
from madang_common.metrics import LogMetrics
from madang_common.settings import CannotStart
from tests.support.waiting import until

EPOCH = 2
SHARDS = 3
PATIENCE_SECONDS = 10


class History:
    """A history service that answers with what the test sets."""

    def __init__(self) -> None:
        self.answer: object = {"epoch": EPOCH, "shards": SHARDS}
        self.status = 200
        self.requests: list[str] = []

    def client(self) -> httpx.AsyncClient:
        return create_client("http://history", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        return httpx.Response(self.status, json=self.answer)


@pytest.fixture
def history() -> History:
    return History()


async def unverified(folder: Path, registry: CollectorRegistry, epoch: int) -> GuardedLog:
    inner = await SqliteLog.open(folder / "log.db", SHARDS, epoch=epoch)
    return GuardedLog(inner, LogMetrics(registry, "test"), verified=False)


def metric(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("madang_log_verified", {"service": "test"})


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def log(tmp_path: Path, registry: CollectorRegistry) -> AsyncIterator[GuardedLog]:
    opened = await unverified(tmp_path, registry, EPOCH)
    yield opened
    await opened.close()


async def is_verified(log: GuardedLog) -> bool:
    try:
        await log.append(0, (b"a",))
    except LogUnverified:
        return False
    return True


@pytest.mark.parametrize(
    ("epoch", "shards"),
    [
        pytest.param(EPOCH, SHARDS, id="the same"),
        pytest.param(EPOCH - 1, SHARDS + 1, id="history follows when it is started again"),
    ],
)
async def test_a_log_that_history_knows_is_verified(
    log: GuardedLog, history: History, epoch: int, shards: int
) -> None:
    history.answer = {"epoch": epoch, "shards": shards}

    async with history.client() as client:
        assert await verify_once(log, client)

    assert history.requests == ["GET /internal/log"]
    assert await is_verified(log)


@pytest.mark.parametrize(
    ("epoch", "shards", "told"),
    [
        (EPOCH + 1, SHARDS, "set MADANG_LOG_EPOCH=3 and MADANG_LOG_SHARDS=3"),
        (EPOCH + 1, SHARDS + 3, "set MADANG_LOG_EPOCH=3 and MADANG_LOG_SHARDS=6"),
        (EPOCH, SHARDS + 1, "set MADANG_LOG_SHARDS=4"),
    ],
)
async def test_another_log_of_history_stops_the_start(
    log: GuardedLog, history: History, epoch: int, shards: int, told: str
) -> None:
    history.answer = {"epoch": epoch, "shards": shards}

    async with history.client() as client:
        with pytest.raises(CannotStart, match=told):
            await verify_once(log, client)

    assert not await is_verified(log)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, {}),
        (403, {"type": "forbidden"}),
        (404, {}),
        (200, {}),
        (200, []),
        (200, {"epoch": None, "shards": 2}),
    ],
)
async def test_without_an_answer_nothing_is_verified(
    log: GuardedLog, history: History, status: int, answer: object
) -> None:
    history.status, history.answer = status, answer

    async with history.client() as client:
        assert not await verify_once(log, client)

    assert not await is_verified(log)


async def test_a_history_of_the_version_before_has_only_the_first_epoch(
    tmp_path: Path, registry: CollectorRegistry, history: History
) -> None:
    log = await unverified(tmp_path, registry, 0)
    history.status, history.answer = 404, {}

    async with history.client() as client:
        assert await verify_once(log, client)

    assert await is_verified(log)
    await log.close()


async def test_history_is_asked_until_it_answers(
    log: GuardedLog,
    registry: CollectorRegistry,
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verification, "_FIRST_PAUSE_SECONDS", 0.01)
    history.status = 503
    async with history.client() as client:
        verifying = asyncio.create_task(verify(log, client))
        await until(lambda: len(history.requests) >= 3)
        assert not await is_verified(log)

        history.status = 200
        await until(lambda: metric(registry) == 1)

        assert await is_verified(log)
        requests = len(history.requests)
        assert not verifying.done()
        await asyncio.sleep(0.1)
        assert len(history.requests) == requests
        verifying.cancel()


async def test_a_late_answer_that_contradicts_ends_the_task(
    log: GuardedLog, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_FIRST_PAUSE_SECONDS", 0.01)
    history.status = 503
    async with history.client() as client:
        verifying = asyncio.create_task(verify(log, client))
        await asyncio.sleep(0.1)
        history.status, history.answer = 200, {"epoch": 9, "shards": 2}

        with pytest.raises(CannotStart, match="MADANG_LOG_EPOCH=9"):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await verifying
