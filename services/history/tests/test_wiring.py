import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog
from madang_common.settings import CannotStart
from madang_history.settings import HistorySettings
from madang_history.wiring import build

from .conftest import SHARDS, Backends, an_event
from .waiting import stored

SHARD = shard_of("rooms.yard", SHARDS)


async def ready(app: FastAPI) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://h") as client:
        return await client.get("/health/ready")


async def test_a_built_history_is_ready(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, transport=backends) as app:
        answer = await ready(app)

    assert answer.status_code == 200
    assert answer.json()["dependencies"].keys() == {"store", "log", "ingest", "rooms"}


async def test_without_rooms_it_is_not_ready_but_stores(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    backends.unavailable = True
    async with build(settings, log=log, transport=backends) as app:
        await log.append(SHARD, (an_event("k").line(),))
        await stored(app, SHARD, 1)

        answer = await ready(app)

    assert answer.status_code == 503
    assert answer.json()["dependencies"]["rooms"] != "ok"
    assert answer.json()["dependencies"]["store"] == "ok"


async def test_it_is_not_ready_when_ingest_has_ended(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, transport=backends) as app:
        (ingest,) = [task for task in asyncio.all_tasks() if task.get_name() == "history-ingest"]
        ingest.cancel()
        await asyncio.wait([ingest])

        answer = await ready(app)

    assert answer.json()["dependencies"]["ingest"] != "ok"


async def test_all_metrics_are_exposed(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> None:
    async with build(settings, log=log, transport=backends) as app:
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
        async with build(settings, log=log, transport=backends) as app:
            await log.append(SHARD, (an_event(str(n)).line(),))
            await stored(app, SHARD, n + 1)

    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("history")]
    assert not left


async def test_a_log_with_other_shards_is_refused(
    settings: HistorySettings, log: SqliteLog, backends: Backends, tmp_path: Path
) -> None:
    async with build(settings, log=log, transport=backends):
        pass
    other = await SqliteLog.open(tmp_path / "other.db", SHARDS + 1)

    with pytest.raises(CannotStart, match="2 shards, not 3"):
        async with build(settings, log=other, transport=backends):
            pass

    await other.close()


async def test_another_log_than_the_stored_one_is_refused(
    settings: HistorySettings, log: SqliteLog, backends: Backends, tmp_path: Path
) -> None:
    async with build(settings, log=log, transport=backends) as app:
        await log.append(SHARD, (an_event("k").line(),))
        await stored(app, SHARD, 1)
    other = await SqliteLog.open(tmp_path / "other.db", SHARDS)

    with pytest.raises(CannotStart, match="another log"):
        async with build(settings, log=other, transport=backends):
            pass

    await other.close()
