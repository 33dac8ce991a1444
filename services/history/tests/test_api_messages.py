"""The messages of a room in their present state, for its members and for gateways."""

from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from madang_common.events.envelope import Event
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog
from tests.support.issuer import bearer

from .conftest import SHARDS, Backends, an_event
from .reading import client_of, send

SHARD = shard_of("rooms.yard", SHARDS)
ROOM = "/api/history/v1/rooms/yard"
MESSAGES = f"{ROOM}/messages"
EVENTS = f"{ROOM}/events"
PINS = f"{ROOM}/pins"
_KEYS = count()


def about(kind: str, message: str, /, **changes: Any) -> Event:
    """Return an event about `message`; `data` has its other fields."""
    data = {"message": message} | changes.pop("data", {})
    return an_event(f"about {next(_KEYS)}", kind=kind, data=data, **changes)


def edit(message: str, text: str, **changes: Any) -> Event:
    return about("message.edited", message, data={"text": text}, **changes)


def deletion(message: str, **changes: Any) -> Event:
    return about("message.deleted", message, **changes)


def body(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def texts(answer: httpx.Response) -> list[str | None]:
    return [item.get("text") for item in body(answer)["items"]]


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].removeprefix("urn:madang:problem:")


async def test_a_message_is_returned_in_its_present_state(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, bo: httpx.AsyncClient
) -> None:
    (first,) = await send(app, log, an_event("1", data={"text": "hello", "meta": {"$a": [1]}}))
    later = await send(
        app,
        log,
        edit(first, "hello, everyone"),
        about("reaction.added", first, data={"emoji": "👍"}, sender="bo"),
        about("reaction.added", first, data={"emoji": "👍"}),
        an_event("reply", data={"text": "hi", "thread": first}, sender="bo"),
        about("message.pinned", first, sender="cy"),
    )

    expected = {
        "id": first,
        "version": later[-1],
        "sender": "ana",
        "sender_name": "안나",
        "at": "2026-01-01T00:00:00.000Z",
        "type": "text",
        "text": "hello, everyone",
        "meta": {"$a": [1]},
        "edited_at": "2026-01-01T00:00:00.000Z",
        "pinned_at": "2026-01-01T00:00:00.000Z",
        "pinned_by": "cy",
        "reactions": [{"emoji": "👍", "count": 2, "mine": True, "users": ["bo", "ana"]}],
        "thread_summary": {
            "replies": 1,
            "last_reply": later[3],
            "last_reply_at": "2026-01-01T00:00:00.000Z",
            "participants": ["bo"],
        },
    }
    assert body(await ana.get(f"{MESSAGES}/{first}")) == expected
    assert body(await ana.get(MESSAGES))["items"][0] == expected
    assert body(await bo.get(PINS))["items"] == [expected]


async def test_a_deleted_message_has_no_content_anywhere(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    backends.moderators.add("ana")
    (first,) = await send(
        app, log, an_event("1", data={"text": "secret"}, headers={"extra": "secret"})
    )
    await send(app, log, edit(first, "more secret"))
    assert "secret" in (await ana.get(MESSAGES)).text

    await send(
        app,
        log,
        deletion(first, data={"reason": "spam"}, sender="mod"),
        edit(first, "late secret"),
    )

    found = body(await ana.get(f"{MESSAGES}/{first}"))
    assert (found["deleted"], found["deleted_by"], found["reason"]) == (True, "mod", "spam")
    assert "text" not in found
    assert body(await ana.get(f"{MESSAGES}/{first}/versions")) == {"items": [], "after": None}
    headers = bearer(backends.issuer.service_token("gateway"))
    async with client_of(app, headers) as gateway:
        asked = {"questions": [{"room": "yard", "message": first}]}
        answers = [
            await ana.get(MESSAGES),
            await ana.get(f"{MESSAGES}/{first}"),
            await ana.get(EVENTS),
            await ana.get(f"{EVENTS}/{first}"),
            await gateway.get("/internal/events", params={"audience": "rooms.yard"}),
            await gateway.get(
                "/internal/keys", params={"audience": "rooms.yard", "sender": "ana", "key": "1"}
            ),
            await gateway.post("/internal/messages", json=asked),
        ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert not any("secret" in answer.text for answer in answers)


async def test_pages_of_messages_go_both_ways_and_around(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    events = [an_event(str(n), data={"text": str(n)}) for n in range(9)]
    events.insert(4, an_event("joined", kind="member.joined"))
    ids = await send(app, log, *events)
    del ids[4]

    async def page(**params: str) -> list[str | None]:
        return texts(await ana.get(MESSAGES, params={"limit": "2"} | params))

    newest = body(await ana.get(MESSAGES, params={"limit": "2"}))
    assert (newest["before"], newest["after"]) == (ids[7], ids[8])
    assert await page(before=ids[4]) == ["2", "3"]
    assert await page(after=ids[4]) == ["5", "6"]
    assert await page(around=ids[4]) == ["3", "4"]
    assert await page(before=ids[0]) == []


async def test_a_thread_has_the_replies_to_its_root(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    root, other = await send(app, log, an_event("1"), an_event("2"))
    replies = [
        an_event(f"reply {n}", data={"text": str(n), "thread": root if n % 2 else other})
        for n in range(8)
    ]
    ids = await send(app, log, *replies)

    async def thread(**params: str) -> list[str | None]:
        return texts(await ana.get(f"{MESSAGES}/{root}/thread", params=params))

    assert await thread() == ["1", "3", "5", "7"]
    assert await thread(limit="2") == ["5", "7"]
    assert await thread(before=ids[5]) == ["1", "3"]
    assert await thread(after=ids[3], limit="1") == ["5"]
    assert texts(await ana.get(f"{MESSAGES}/{ids[0]}/thread")) == []
    assert problem(await ana.get(f"{MESSAGES}/000000000abc/thread")) == (404, "not-found")


async def test_pins_are_paged_and_leave_when_they_are_unpinned(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n), data={"text": str(n)}) for n in range(5)))
    await send(app, log, *(about("message.pinned", ids[n]) for n in (3, 0, 1)))

    assert texts(await ana.get(PINS)) == ["0", "1", "3"]
    page = await ana.get(PINS, params={"limit": 2})
    assert texts(page) == ["1", "3"]
    assert texts(await ana.get(PINS, params={"before": body(page)["before"]})) == ["0"]

    await send(app, log, about("message.unpinned", ids[1]), deletion(ids[3]))
    assert texts(await ana.get(PINS)) == ["0"]


async def test_moderators_see_the_versions_of_a_message(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    (first,) = await send(app, log, an_event("1", data={"text": "0"}))
    await send(
        app,
        log,
        edit(first, "1"),
        about("reaction.added", first, data={"emoji": "👍"}),
        edit(first, "not the author's", sender="bo"),
        edit(first, "2"),
        edit(first, "3"),
    )
    path = f"{MESSAGES}/{first}/versions"
    assert problem(await ana.get(path)) == (403, "forbidden")
    backends.moderators.add("ana")

    async def versions(**params: str) -> tuple[list[str], str | None]:
        found = body(await ana.get(path, params=params))
        return [item["data"]["text"] for item in found["items"]], found["after"]

    assert await versions() == (["0", "1", "2", "3"], None)
    found, after = await versions(limit="2")
    assert found == ["0", "1"]
    assert after is not None
    found, after = await versions(limit="2", after=after)
    assert found == ["2"]  # and another's edit, which changed nothing
    assert after is not None
    assert await versions(limit="2", after=after) == (["3"], None)


async def test_an_event_that_created_no_message_is_none(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient
) -> None:
    joined, empty = await send(
        app, log, an_event("1", kind="member.joined"), an_event("2", data={"text": ""})
    )

    for name in (joined, empty, "000000000abc"):
        assert problem(await ana.get(f"{MESSAGES}/{name}")) == (404, "not-found")
    assert texts(await ana.get(MESSAGES)) == []


async def unread(client: httpx.AsyncClient, **params: str) -> tuple[int, bool]:
    counted = (await client.get(f"{MESSAGES}/count", params=params)).json()
    return counted["count"], counted["more"]


async def test_unread_messages_are_counted_up_to_a_limit(
    app: FastAPI, log: SqliteLog, bo: httpx.AsyncClient
) -> None:
    ids = await send(
        app, log, an_event("joined", kind="member.joined"), *(an_event(str(n)) for n in range(6))
    )

    assert await unread(bo, after=ids[4]) == (2, False)
    assert await unread(bo, after=ids[6]) == (0, False)
    assert await unread(bo, after=ids[1]) == (5, False)
    assert await unread(bo, after=ids[0]) == (5, True)
    assert await unread(bo) == (5, True)


async def test_own_messages_are_not_unread(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, bo: httpx.AsyncClient
) -> None:
    before, *_ = await send(
        app,
        log,
        an_event("joined", kind="member.joined"),
        an_event("1"),
        an_event("2", sender="bo"),
        an_event("3", sender="bo"),
    )

    assert await unread(bo, after=before) == (1, False)
    assert await unread(ana, after=before) == (2, False)


async def test_many_own_messages_limit_a_count(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, bo: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(30)))
    await send(app, log, an_event("last", sender="bo"))

    # A count examines at most four messages for each one that it may return.
    assert await unread(ana) == (0, True)
    assert await unread(ana, after=ids[15]) == (1, False)
    assert await unread(bo, after=ids[27]) == (2, False)


async def test_deleted_messages_are_not_unread(
    app: FastAPI, log: SqliteLog, bo: httpx.AsyncClient
) -> None:
    ids = await send(app, log, *(an_event(str(n)) for n in range(4)))

    await send(app, log, deletion(ids[1]), deletion(ids[2], sender="bo"))

    assert await unread(bo) == (2, False)
    assert await unread(bo, after=ids[0]) == (1, False)


@pytest.mark.parametrize("path", ["", "/count", "/{id}", "/{id}/thread", "/{id}/versions", "pins"])
async def test_only_members_may_read_messages(
    app: FastAPI, log: SqliteLog, backends: Backends, path: str
) -> None:
    (first,) = await send(app, log, an_event("k"))

    async def status(headers: dict[str, str], room: str = "yard") -> int:
        async with client_of(app, headers) as client:
            rest = "/pins" if path == "pins" else f"/messages{path.format(id=first)}"
            answer = await client.get(f"/api/history/v1/rooms/{room}{rest}")
            assert "this is k" not in answer.text
            return problem(answer)[0]

    issuer = backends.issuer
    assert await status({}) == 401
    assert await status(bearer(issuer.service_token("gateway"))) == 401
    assert await status(bearer(issuer.token("cy"))) == 403
    assert await status(bearer(issuer.token("ana")), room="nowhere") == 404


@pytest.mark.parametrize("path", ["", "/{id}", "/{id}/thread", "pins"])
async def test_a_member_removed_during_a_request_gets_no_later_state(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends, path: str
) -> None:
    (root,) = await send(app, log, an_event("root"))
    (first,) = await send(app, log, an_event("1", data={"text": "before", "thread": root}))
    await send(app, log, about("message.pinned", first))
    shown = root if path == "/{id}/thread" else first
    rest = PINS if path == "pins" else f"{MESSAGES}{path.format(id=shown)}"

    async def remove() -> None:
        # After rooms found that ana is a member, and before its answer arrives.
        backends.after_access = None
        backends.members["yard"].remove("ana")
        await send(app, log, edit(first, "secret"))

    assert "before" in (await ana.get(rest)).text
    backends.after_access = remove
    answer = await ana.get(rest)

    assert problem(answer) == (403, "not-a-member")
    assert "secret" not in answer.text


async def test_a_state_that_changes_during_a_request_is_returned_to_a_member(
    app: FastAPI, log: SqliteLog, ana: httpx.AsyncClient, backends: Backends
) -> None:
    (first,) = await send(app, log, an_event("1", data={"text": "before"}))

    async def change() -> None:
        backends.after_access = None
        await send(app, log, edit(first, "after"), an_event("2", data={"text": "later"}))

    backends.after_access = change

    assert texts(await ana.get(MESSAGES)) == ["after"]
    assert texts(await ana.get(MESSAGES)) == ["after", "later"]


async def test_gateways_get_the_states_of_messages(
    app: FastAPI, log: SqliteLog, backends: Backends
) -> None:
    ids = await send(app, log, an_event("1"), an_event("2"))
    later = await send(app, log, edit(ids[0], "edited"))
    stored_to = to_id(position(2, 0) - 1)
    asked = [("yard", ids[1]), ("yard", "000000000abc"), ("garden", ids[0]), ("yard", ids[0])]
    questions = [{"room": room, "message": name} for room, name in asked]

    async with client_of(app, bearer(backends.issuer.service_token("gateway"))) as gateway:
        answer = await gateway.post("/internal/messages", json={"questions": questions})
        empty = await gateway.post("/internal/messages", json={"questions": []})

    answers = body(answer)["answers"]
    assert [(one["room"], one["message"]) for one in answers] == asked
    states = [one["state"] for one in answers]
    assert [state and state["text"] for state in states] == ["this is 2", None, None, "edited"]
    assert states[3]["version"] == later[0]
    assert {one["stored_to"] for one in answers if one["room"] == "yard"} == {stored_to}
    assert body(empty) == {"answers": []}


@pytest.mark.parametrize(
    "questions",
    [
        [{"room": "yard", "message": "nonsense"}],
        [{"room": "", "message": "000000000000"}],
        [{"room": "x" * 65, "message": "000000000000"}],
        [{"room": "yard", "message": "000000000000"}] * 501,
        [{"room": "yard"}],
        None,
    ],
)
async def test_invalid_questions_are_refused(
    app: FastAPI, backends: Backends, questions: object
) -> None:
    async with client_of(app, bearer(backends.issuer.service_token("gateway"))) as gateway:
        answer = await gateway.post("/internal/messages", json={"questions": questions})

    assert problem(answer)[0] == 422


async def test_only_gateways_may_ask_for_states(
    app: FastAPI, backends: Backends, ana: httpx.AsyncClient
) -> None:
    asked = {"questions": [{"room": "yard", "message": "000000000000"}]}

    assert problem(await ana.post("/internal/messages", json=asked))[0] == 401
    async with client_of(app, bearer(backends.issuer.service_token("rooms"))) as rooms:
        assert problem(await rooms.post("/internal/messages", json=asked))[0] == 403
