import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from madang_common.events.envelope import Event
from madang_common.log.port import Retention
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog
from madang_history.settings import HistorySettings
from madang_history.wiring import build
from tests.support.issuer import bearer
from tests.support.older_logs import no_older_logs

from .conftest import SHARDS, Backends, an_event
from .waiting import stored

ROOM = "rooms.yard"
SHARD = shard_of(ROOM, SHARDS)


@pytest.fixture
async def app(
    settings: HistorySettings, log: SqliteLog, backends: Backends
) -> AsyncIterator[FastAPI]:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        yield app


def client_of(app: FastAPI, headers: dict[str, str]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://history", headers=headers)


@pytest.fixture
async def gateway(app: FastAPI, backends: Backends) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, bearer(backends.issuer.service_token("gateway"))) as gateway:
        yield gateway


async def send(app: FastAPI, log: SqliteLog, *events: Event) -> list[str]:
    """Store each of `events` as a batch; return their ids."""
    offset = await log.end(SHARD)
    for event in events:
        await log.append(SHARD, (event.line(),))
    await stored(app, SHARD, offset + len(events))
    return [to_id(position(offset + n, 0)) for n in range(len(events))]


async def events(gateway: httpx.AsyncClient, **params: object) -> dict[str, object]:
    given = {"audience": ROOM} | {name: str(value) for name, value in params.items()}
    answer = await gateway.get("/internal/events", params=given)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def keys(found: dict[str, object]) -> list[str]:
    items = found["items"]
    assert isinstance(items, list)
    return [item["key"] for item in items]


async def test_the_gateway_gets_all_events_after_a_position(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(4)))

    found = await events(gateway, after=ids[1])

    assert keys(found) == ["2", "3"]
    assert (found["complete"], found["reaches"]) == (True, True)
    assert found["stored_to"] == to_id(position(4, 0) - 1)


async def test_a_page_is_bounded_in_bytes_and_has_one_event_at_least(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n), data={"text": "x" * 1000}) for n in range(4)))

    first = await events(gateway, limit_bytes=2500)
    second = await events(gateway, limit_bytes=1, after=ids[1])
    last = await events(gateway, limit_bytes=2500, after=ids[2])

    assert (keys(first), first["complete"]) == (["0", "1"], False)
    assert (keys(second), second["complete"]) == (["2"], False)
    assert (keys(last), last["complete"]) == (["3"], True)


async def test_an_event_is_returned_as_in_the_log_with_its_id(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    (event_id,) = await send(app, log, an_event("k", headers={"priority": "high"}))

    found = await events(gateway)

    assert found["items"] == [
        {
            "id": event_id,
            "v": 1,
            "key": "k",
            "kind": "message.created",
            "room": "yard",
            "sender": "ana",
            "sender_name": "안나",
            "at": "2026-01-01T00:00:00.000Z",
            "data": {"text": "this is k"},
            "headers": {"priority": "high"},
        }
    ]


async def test_many_events_are_returned_in_several_pages(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(5)))

    first = await events(gateway, limit=3)
    rest = await events(gateway, limit=3, after=ids[2])
    exact = await events(gateway, limit=2, after=ids[2])

    assert (keys(first), first["complete"]) == (["0", "1", "2"], False)
    assert (keys(rest), rest["complete"]) == (["3", "4"], True)
    assert (keys(exact), exact["complete"]) == (["3", "4"], True)


async def test_events_of_a_user_are_returned_the_same_way(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    shard = shard_of("users.ana", SHARDS)
    await log.append(shard, (an_event("k", room=None, user="ana").line(),))
    await stored(app, shard, 1)

    answer = await gateway.get("/internal/events", params={"audience": "users.ana"})

    assert keys(answer.json()) == ["k"]


async def test_a_new_log_is_empty_and_complete(
    gateway: httpx.AsyncClient,
) -> None:
    assert await events(gateway) == {
        "items": [],
        "complete": True,
        "stored_to": None,
        "reaches": True,
    }


async def test_a_position_beyond_the_log_is_reported_as_incomplete(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(3)))

    assert (await events(gateway, after=ids[2]))["reaches"]
    assert (await events(gateway, after=to_id(position(3, 0) - 1)))["reaches"]
    for beyond in (to_id(position(3, 0)), "vvvvvvvvvvvv"):
        found = await events(gateway, after=beyond)
        assert (found["items"], found["reaches"]) == ([], False)


async def test_a_position_that_is_not_stored_yet_is_complete(
    settings: HistorySettings, log: SqliteLog, backends: Backends, tmp_path: Path
) -> None:
    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        await send(app, log, an_event("stored"))
        (ingest,) = [task for task in asyncio.all_tasks() if task.get_name() == "history-ingest"]
        ingest.cancel()
        await asyncio.wait([ingest])
        await log.append(SHARD, (an_event("late").line(),))
        headers = bearer(backends.issuer.service_token("gateway"))

        async with client_of(app, headers) as gateway:
            found = await events(gateway, after=to_id(position(1, 0)))

    assert found["reaches"]
    assert found["stored_to"] == to_id(position(1, 0) - 1)


async def test_events_that_the_log_dropped_unstored_are_reported_as_incomplete(
    settings: HistorySettings, backends: Backends, tmp_path: Path
) -> None:
    now = 1_000_000.0
    log = await SqliteLog.open(
        tmp_path / "short.db", SHARDS, retention=Retention(seconds=10), clock=lambda: now
    )
    for n in range(5):
        await log.append(SHARD, (an_event(str(n)).line(),))
    now += 60
    await log.append(SHARD, (an_event("new").line(),))
    await log.close()
    log = await SqliteLog.open(tmp_path / "short.db", SHARDS)

    async with build(settings, log=log, older_logs=no_older_logs, transport=backends) as app:
        await stored(app, SHARD, 6)
        async with client_of(app, bearer(backends.issuer.service_token("gateway"))) as gateway:
            from_before = await events(gateway, after=to_id(position(2, 0)))
            from_the_start = await events(gateway)
            from_after = await events(gateway, after=to_id(position(4, 0)))

    assert (keys(from_before), from_before["reaches"]) == (["4", "new"], False)
    assert not from_the_start["reaches"]
    assert (keys(from_after), from_after["reaches"]) == (["new"], True)
    await log.close()


async def test_an_event_is_found_by_its_key(
    app: FastAPI, log: SqliteLog, gateway: httpx.AsyncClient
) -> None:
    ids = await send(app, log, an_event("k"), an_event("k", sender="bo"), an_event("k"))

    async def found(sender: str, key: str) -> httpx.Response:
        params = {"audience": ROOM, "sender": sender, "key": key}
        return await gateway.get("/internal/keys", params=params)

    assert (await found("ana", "k")).json()["id"] == ids[0]
    assert (await found("bo", "k")).json()["id"] == ids[1]
    for unknown in (("cy", "k"), ("ana", "other")):
        answer = await found(*unknown)
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:madang:problem:not-found"


@pytest.mark.parametrize("service", ["gateway", "rooms"])
async def test_producers_are_told_the_newest_epoch(
    settings: HistorySettings, backends: Backends, tmp_path: Path, service: str
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db", 6, epoch=3)
    async with (
        build(settings, log=log, older_logs=no_older_logs, transport=backends) as app,
        client_of(app, bearer(backends.issuer.service_token(service))) as client,
    ):
        assert (await client.get("/internal/log")).json() == {"epoch": 3, "shards": 6}

    await log.close()


async def test_producers_are_told_no_epoch_of_a_log_that_lost_its_data(
    app: FastAPI,
    log: SqliteLog,
    gateway: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def end_of_nothing(_: int) -> int:
        return 0

    await send(app, log, an_event("k"))
    assert (await gateway.get("/internal/log")).status_code == 200

    monkeypatch.setattr(log, "end", end_of_nothing)
    answer = await gateway.get("/internal/log")

    assert answer.status_code == 503
    assert "docs/runbooks/broker-data-lost.md" in answer.json()["detail"]


async def test_only_producers_are_told_the_epoch(app: FastAPI, backends: Backends) -> None:
    for token, status in (
        (backends.issuer.service_token("auth"), 403),
        (backends.issuer.token("ana"), 401),
    ):
        async with client_of(app, bearer(token)) as client:
            assert (await client.get("/internal/log")).status_code == status


@pytest.mark.parametrize("path", ["/internal/events", "/internal/keys"])
async def test_only_the_gateway_is_allowed(app: FastAPI, backends: Backends, path: str) -> None:
    issuer = backends.issuer
    params = {"audience": ROOM, "sender": "ana", "key": "k"}

    async def status(headers: dict[str, str]) -> int:
        async with client_of(app, headers) as client:
            return (await client.get(path, params=params)).status_code

    assert await status({}) == 401
    assert await status(bearer(issuer.token("ana"))) == 401
    assert await status(bearer(issuer.token("service:gateway"))) == 401
    assert await status(bearer(issuer.service_token("rooms"))) == 403


@pytest.mark.parametrize(
    "params",
    [
        {"audience": "anything"},
        {"audience": "rooms." + "x" * 100},
        {"after": "nonsense"},
        {"limit": "0"},
        {"limit": "1001"},
    ],
)
async def test_invalid_parameters_are_refused(
    gateway: httpx.AsyncClient, params: dict[str, str]
) -> None:
    answer = await gateway.get("/internal/events", params={"audience": ROOM} | params)

    assert answer.status_code == 422
