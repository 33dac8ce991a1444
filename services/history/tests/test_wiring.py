import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs
from typing_extensions import override

from madang_common.log.port import Batch, LogLost, Start
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import CannotStart
from madang_history.settings import HistorySettings
from madang_history.wiring import build
from tests.support.older_logs import no_older_logs
from tests.support.waiting import until

from .conftest import SHARDS, Backends, an_event
from .waiting import stored

SHARD = shard_of("rooms.yard", SHARDS)


async def ready(app: FastAPI) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
        return await client.get("/health/ready")


async def test_a_built_history_is_ready(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        answer = await ready(app)

    assert answer.status_code == 200
    assert answer.json()["dependencies"].keys() == {"store", "log", "ingest", "rooms"}


async def test_without_rooms_it_is_degraded_and_stores(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    backends.unavailable = True
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        await log.append(SHARD, (an_event("k").line(),))
        await stored(app, SHARD, 1)

        answer = await ready(app)

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["dependencies"]["rooms"] != "ok"
    assert answer.json()["dependencies"]["store"] == "ok"


async def test_it_is_not_ready_when_ingest_has_ended(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        (ingest,) = [task for task in asyncio.all_tasks() if task.get_name() == "history-ingest"]
        ingest.cancel()
        await asyncio.wait([ingest])

        answer = await ready(app)

    assert answer.status_code == 503
    assert answer.json()["dependencies"]["ingest"] != "ok"


async def test_all_metrics_are_exposed(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        await log.append(SHARD, (an_event("k").line(), b"poison"))
        await stored(app, SHARD, 1)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            text = (await client.get("/metrics")).text

    assert "madang_history_events_stored_total 1.0" in text
    assert "madang_history_events_dead_total 1.0" in text
    assert f'madang_history_stored_offset{{shard="{SHARD}"}} 1.0' in text


async def test_it_restarts_on_the_same_data(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    for n in range(3):
        async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
            await log.append(SHARD, (an_event(str(n)).line(),))
            await stored(app, SHARD, n + 1)

    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("history")]
    assert not left


async def test_a_log_with_other_shards_is_refused(
    settings: HistorySettings, log: SqliteLog, backends: Backends, tmp_path: Path
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends):
        pass
    other = await SqliteLog.open(tmp_path / "other.db", SHARDS + 1)

    with pytest.raises(CannotStart, match="2 shards, not 3"):
        async with build(settings, log=other, older_logs=no_older_logs, transport=backends):
            pass

    await other.close()


async def test_another_log_than_the_stored_one_is_refused(
    settings: HistorySettings, log: SqliteLog, backends: Backends, tmp_path: Path
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        await log.append(SHARD, (an_event("k").line(),))
        await stored(app, SHARD, 1)
    other = await SqliteLog.open(tmp_path / "other.db", SHARDS)

    with pytest.raises(CannotStart, match="another log"):
        async with build(settings, log=other, older_logs=no_older_logs, transport=backends):
            pass

    await other.close()


class VanishingLog(SqliteLog):
    """The embedded log, whose streams vanish when `lost` is set."""

    lost = False
    asked = 0

    @override
    async def follow(self, shard: int, start: Start) -> AsyncGenerator[Batch]:
        self._ask()
        async for batch in super().follow(shard, start):
            yield batch
            self._ask()

    @override
    async def end(self, shard: int) -> int:
        self._ask()
        return await super().end(shard)

    def _ask(self) -> None:
        self.asked += 1
        if self.lost:
            raise LogLost("there is no such stream")


async def test_a_log_that_vanishes_is_reported_once_and_stored_messages_stay_readable(
    settings: HistorySettings, backends: Backends, tmp_path: Path
) -> None:
    log = await VanishingLog.open(tmp_path / "log.db", SHARDS)
    with capture_logs() as logged:
        async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
            await log.append(SHARD, (an_event("k").line(),))
            await stored(app, SHARD, 1)
            log.lost = True
            await log.append(SHARD, (an_event("j").line(),))
            lost = ("madang_log_lost", {"service": "history"})
            await until(lambda: app.state.registry.get_sample_value(*lost) == 1)
            asked = log.asked
            await asyncio.sleep(50 * settings.history_lag_poll_seconds)

            answer = await ready(app)

    assert log.asked <= asked + SHARDS  # a reader may still have waited
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["dependencies"]["log"] != "ok"
    assert answer.json()["dependencies"]["ingest"] == "ok"
    (line,) = [line for line in logged if line["log_level"] == "error"]
    assert (line["event"], line["runbook"]) == ("log_lost", "docs/runbooks/broker-data-lost.md")
    await log.close()
