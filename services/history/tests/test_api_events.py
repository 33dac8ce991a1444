import asyncio

import httpx
import orjson
import pytest
from fastapi import FastAPI

from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog
from tests.support.issuer import bearer

from .conftest import SHARDS, Backends, an_event
from .reading import client_of, send

SHARD = shard_of("rooms.yard", SHARDS)
EVENTS = "/api/history/v1/rooms/yard/events"


def keys(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["key"] for item in answer.json()["items"]]


async def test_the_newest_events_come_oldest_first(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(5)))

    answer = await ana.get(EVENTS, params={"limit": 3})

    assert keys(answer) == ["2", "3", "4"]
    assert (answer.json()["before"], answer.json()["after"]) == (ids[2], ids[4])


async def test_an_item_is_exactly_what_clients_receive(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    event = an_event("k", headers={"priority": "high"}, data={"text": "안녕 👋", "n": [1, None]})
    await send(app, log, event)

    page = await ana.get(EVENTS)
    one = await ana.get(f"{EVENTS}/{page.json()['items'][0]['id']}")

    assert one.content == event.body(position(0, 0))
    assert event.body(position(0, 0)) in page.content
    assert page.json()["items"] == [orjson.loads(one.content)]


async def test_pages_go_both_ways_and_around(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(9)))

    async def page(**params: str) -> list[str]:
        return keys(await ana.get(EVENTS, params={"limit": "2"} | params))

    assert await page(before=ids[4]) == ["2", "3"]
    assert await page(after=ids[4]) == ["5", "6"]
    assert await page(around=ids[4]) == ["3", "4"]
    assert await page(before=ids[0]) == []


async def test_at_the_newest_event_the_cursor_stays(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    (first,) = await send(app, log, an_event("1"))
    end = (await ana.get(EVENTS, params={"after": first})).json()
    assert (end["items"], end["after"]) == ([], first)

    await send(app, log, an_event("2"))

    assert keys(await ana.get(EVENTS, params={"after": end["after"]})) == ["2"]


async def test_an_empty_room_has_an_empty_page(ana: httpx.AsyncClient) -> None:
    answer = await ana.get("/api/history/v1/rooms/empty/events")

    assert answer.json() == {"items": [], "before": None, "after": None}


async def test_all_kinds_are_returned_unless_some_are_requested(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    kinds = ("room.created", "member.joined", "message.created")
    await send(app, log, *(an_event(kind, kind=kind) for kind in kinds))

    assert keys(await ana.get(EVENTS)) == list(kinds)
    only = await ana.get(EVENTS, params={"kinds": "message.created"})
    assert keys(only) == ["message.created"]
    two = await ana.get(EVENTS, params={"kinds": ["message.created", "room.created"]})
    assert keys(two) == ["room.created", "message.created"]


async def test_one_event_is_found_in_its_own_room_only(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    (message,) = await send(app, log, an_event("k"))

    assert (await ana.get(f"{EVENTS}/{message}")).json()["key"] == "k"
    for path in (f"{EVENTS}/000000000abc", f"/api/history/v1/rooms/empty/events/{message}"):
        answer = await ana.get(path)
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:madang:problem:not-found"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("", {"before": "nonsense"}),
        ("", {"after": "0" * 13}),
        ("", {"around": "00000000000\n"}),
        ("", {"before": "WWWWWWWWWWWW"}),
        ("", {"limit": "0"}),
        ("", {"limit": "101"}),
        ("", {"limit": "many"}),
        ("", {"kinds": "'; DROP TABLE events"}),
        ("", {"kinds": "k." + "x" * 100}),
        ("", {"kinds": ["message.created"] * 17}),
        ("", {"before": "000000000000", "after": "000000000000"}),
        ("/nonsense", {}),
    ],
)
async def test_invalid_parameters_are_refused_with_a_problem(
    ana: httpx.AsyncClient, path: str, params: dict[str, str]
) -> None:
    answer = await ana.get(EVENTS + path, params=params)

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].startswith("urn:madang:problem:invalid-")


_ODD_IDS = [
    "",
    "0",
    "-00000000001",
    "+00000000001",
    "00000000000w",
    "00000000000V",
    "0x0000000001",
    "0000_0000001",
    "000000000000 ",
    " 00000000000",
    "00000000000%0A",
    "%00" * 12,
    "%FF" * 12,
    "%ED%A0%80" * 12,
    "\u0661" * 12,
    "\uff10" * 12,
    "\u1680" * 12,
    "👋" * 12,
    "null",
    "1e5",
    "NaN",
    "start",
    "0" * 5000,
    "000000000000,000000000001",
    "%2e%2e",
]


@pytest.mark.parametrize("path", ["?before=", "?after=", "?around=", "/"])
async def test_a_malformed_id_is_refused_with_a_problem(ana: httpx.AsyncClient, path: str) -> None:
    for odd in _ODD_IDS:
        answer = await ana.get(EVENTS + path + odd)
        allowed = {400, 422} if path != "/" else {404, 405, 422, 307}
        assert answer.status_code in allowed, (odd, answer.status_code)


@pytest.mark.parametrize("edge", ["000000000000", "vvvvvvvvvvvv"])
@pytest.mark.parametrize("name", ["before", "after", "around"])
async def test_the_smallest_and_the_largest_id_are_accepted(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, name: str, edge: str
) -> None:
    await send(app, log, an_event("k"))

    assert (await ana.get(EVENTS, params={name: edge})).status_code == 200


@pytest.mark.parametrize("path", ["", "/000000000000"])
async def test_only_members_may_read(
    app: FastAPI, log: SqliteLog, backends: Backends, path: str
) -> None:
    await send(app, log, an_event("k"))

    async def status(headers: dict[str, str], room: str = "yard") -> int:
        async with client_of(app, headers) as client:
            answer = await client.get(f"/api/history/v1/rooms/{room}/events{path}")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "this is k" not in answer.text
            return answer.status_code

    issuer = backends.issuer
    assert await status({}) == 401
    assert await status(bearer("nonsense")) == 401
    assert await status(bearer(issuer.token("ana", seconds=-1))) == 401
    assert await status(bearer(issuer.service_token("gateway"))) == 401
    assert await status(bearer(issuer.token("cy"))) == 403
    assert await status(bearer(issuer.token("ana")), room="nowhere") == 404
    assert await status(bearer(issuer.token("ana")), room="x" * 65) == 422


async def test_a_removed_member_cannot_read(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    await send(app, log, an_event("k"))
    assert keys(await ana.get(EVENTS)) == ["k"]

    backends.members["yard"].remove("ana")

    assert (await ana.get(EVENTS)).json()["type"] == "urn:madang:problem:not-a-member"


async def test_a_removed_member_gets_no_answer_to_an_earlier_question(
    app: FastAPI, log: SqliteLog, backends: Backends, ana: httpx.AsyncClient
) -> None:
    await send(app, log, an_event("1"))
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def hold_the_first() -> None:
        if not asked.is_set():
            asked.set()
            await may_answer.wait()

    backends.after_access = hold_the_first
    earlier = asyncio.create_task(ana.get(EVENTS))
    await asked.wait()  # rooms has found that ana is a member, and the answer is under way
    backends.members["yard"].remove("ana")

    later = await ana.get(EVENTS)
    may_answer.set()

    assert later.json()["type"] == "urn:madang:problem:not-a-member"
    assert keys(await earlier) == ["1"]


@pytest.mark.parametrize("path", ["", "?limit=2", "?kinds=message.created", "?{query}={id}"])
@pytest.mark.parametrize("query", ["before", "after", "around"])
async def test_a_member_removed_during_a_request_gets_no_later_messages(
    app: FastAPI,
    log: SqliteLog,
    ana: httpx.AsyncClient,
    backends: Backends,
    path: str,
    query: str,
) -> None:
    ids = await send(app, log, an_event("1"), an_event("2"))
    cursor = {"before": "vvvvvvvvvvvv", "after": ids[0], "around": ids[1]}[query]

    async def remove() -> None:
        # Runs before the access check responds.
        await send(app, log, an_event("secret", sender="bo"))

    backends.after_access = remove
    page = await ana.get(EVENTS + path.format(query=query, id=cursor))

    assert "secret" not in page.text
    assert keys(page)[-1] == "2"
    assert page.json()["after"] == ids[1]


async def test_a_member_removed_during_a_request_gets_no_later_event(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    await send(app, log, an_event("1", sender="bo"))
    secret = to_id(position(await log.end(SHARD), 0))

    async def remove() -> None:
        backends.after_access = None
        assert await send(app, log, an_event("secret", sender="bo")) == [secret]

    backends.after_access = remove
    one = await ana.get(f"{EVENTS}/{secret}")
    assert (one.status_code, "secret" in one.text) == (404, False)
    assert (await ana.get(f"{EVENTS}/{secret}")).json()["key"] == "secret"


async def test_an_archived_room_can_be_read(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    await send(app, log, an_event("k"))
    backends.archived.add("yard")

    assert keys(await ana.get(EVENTS)) == ["k"]


async def test_without_rooms_reading_is_unavailable(
    ana: httpx.AsyncClient, backends: Backends
) -> None:
    await ana.get(EVENTS)
    backends.unavailable = True

    answer = await ana.get(EVENTS)

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:madang:problem:unavailable"
