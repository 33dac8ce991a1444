"""REST: edits, deletions, reactions and pins."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from madang_common.events.kinds import Role
from services.gateway.tests.harness import Harness, running
from tests.support.issuer import bearer

PATH = "/api/gateway/v1/rooms/yard/messages"
PROBLEM = "urn:madang:problem:"


async def ask(
    harness: Harness, method: str, path: str, user: str = "mina", **options: Any
) -> httpx.Response:
    headers = bearer(harness.issuer.token(user))
    return await harness.http.request(method, f"{PATH}/{path}", headers=headers, **options)


async def sent(harness: Harness, user: str = "mina", **body: object) -> str:
    answer = await harness.post(user, "yard", **({"text": "hi"} | body))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_every_change_is_delivered_once_it_is_answered(harness: Harness) -> None:
    harness.rooms.roles["mina", "yard"] = Role.MODERATOR
    async with harness.connected("jun") as jun:
        await jun.subscribe("/topic/rooms.yard")
        first = await sent(harness)
        requests: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
            (
                "PATCH",
                first,
                {"json": {"text": "ho", "meta": {"a": [1]}}},
                {"text": "ho", "meta": {"a": [1]}},
            ),
            ("PUT", f"{first}/reactions/❤", {}, {"emoji": "❤\ufe0f"}),
            ("DELETE", f"{first}/reactions/❤", {}, {"emoji": "❤\ufe0f"}),
            ("PUT", f"{first}/pin", {}, {}),
            ("DELETE", f"{first}/pin", {}, {}),
            ("DELETE", f"{first}?reason=oops&key=k", {}, {"reason": "oops"}),
        ]

        answers = [(await ask(harness, m, path, **options)) for m, path, options, _ in requests]

        assert [answer.status_code for answer in answers] == [200] * 6
        assert answers[-1].json()["key"] == "k"
        received = [frame.json for frame in (await jun.messages(7))[1:]]
        for answer, event, (_, _, _, data) in zip(answers, received, requests, strict=True):
            assert event["data"] == {"message": first, **data}
            body = answer.json()
            assert body == {name: event[name] for name in body}
            assert body.keys() == {"id", "key", "kind", "room", "sender", "data"}
        assert [event["kind"] for event in received] == [
            "message.edited",
            "reaction.added",
            "reaction.removed",
            "message.pinned",
            "message.unpinned",
            "message.deleted",
        ]


async def test_a_message_may_have_more_than_a_text(harness: Harness) -> None:
    root = await sent(harness)
    reply = await sent(harness, thread=root)

    answer = await harness.post(
        "mina", text="hi", type="poll", meta={"a": {"b": None}}, reply_to=root, thread=reply
    )

    assert answer.status_code == 201
    assert answer.json()["data"] == {
        "text": "hi",
        "type": "poll",
        "meta": {"a": {"b": None}},
        "reply_to": root,
        "thread": root,
    }


async def test_a_repeated_key_changes_nothing(harness: Harness) -> None:
    first = await sent(harness)
    threaded = await sent(harness, thread=first)

    edits = await asyncio.gather(
        *(ask(harness, "PATCH", first, json={"text": "ho", "key": "k"}) for _ in range(3))
    )
    replies = [await harness.post("mina", text="hi", thread=threaded, key="r") for _ in range(2)]
    deletions = [await ask(harness, "DELETE", f"{first}?key=d") for _ in range(3)]
    late = await ask(harness, "PATCH", first, json={"text": "ho", "key": "k"})

    for answers in ([*edits, late], replies, deletions):
        assert {answer.is_success for answer in answers} == {True}
        assert len({answer.json()["id"] for answer in answers}) == 1
    other = await ask(harness, "PUT", f"{first}/reactions/👍?key=d")
    assert other.json()["type"] == f"{PROBLEM}key-conflict"


async def test_idempotent_changes_may_be_repeated(harness: Harness) -> None:
    first = await sent(harness)

    answers = [
        await ask(harness, method, f"{first}/reactions/👍")
        for method in ("PUT", "PUT", "DELETE", "DELETE")
    ]

    assert [answer.status_code for answer in answers] == [200] * 4


@pytest.mark.parametrize(
    ("method", "path", "options", "member", "moderator"),
    [
        ("PATCH", "", {"json": {"text": "ho"}}, 403, 403),
        ("DELETE", "", {}, 403, 200),
        ("PUT", "/pin", {}, 403, 200),
        ("DELETE", "/pin", {}, 403, 200),
        ("PUT", "/reactions/👍", {}, 200, 200),
        ("DELETE", "/reactions/👍", {}, 200, 200),
    ],
)
async def test_who_may_change_the_message_of_another_user(
    harness: Harness, method: str, path: str, options: dict[str, Any], member: int, moderator: int
) -> None:
    harness.rooms.add("ara")
    harness.rooms.roles["ara", "yard"] = Role.MODERATOR
    first = await sent(harness)

    assert (await ask(harness, method, first + path, "jun", **options)).status_code == member
    assert (await ask(harness, method, first + path, "ara", **options)).status_code == moderator
    stranger = await ask(harness, method, first + path, "dan", **options)
    assert stranger.json()["type"] == f"{PROBLEM}not-a-member"


async def test_nothing_changes_a_deleted_message(harness: Harness) -> None:
    first = await sent(harness)
    await ask(harness, "DELETE", first)

    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", first, {"json": {"text": "ho"}}),
        ("DELETE", first, {}),
        ("PUT", f"{first}/reactions/👍", {}),
    ]
    for method, path, options in requests:
        answer = await ask(harness, method, path, **options)
        assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}message-deleted")
    assert harness.metric("refusals_total", type="message-deleted") == 3


async def test_a_message_has_room_for_so_many_emoji(tmp_path: Path) -> None:
    async with running(tmp_path, sends_burst=1000) as harness:
        first = await sent(harness)
        flags = [chr(0x1F600 + number) for number in range(21)]

        answers = [await ask(harness, "PUT", f"{first}/reactions/{emoji}") for emoji in flags]

        assert [answer.status_code for answer in answers] == [200] * 20 + [409]
        assert answers[-1].json()["type"] == f"{PROBLEM}too-many-reactions"
        assert (await ask(harness, "PUT", f"{first}/reactions/{flags[0]}", "jun")).is_success


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_authors_change_messages_for_so_long(tmp_path: Path, method: str) -> None:
    options: dict[str, Any] = {"json": {"text": "ho"}} if method == "PATCH" else {}
    async with running(tmp_path, edit_seconds=0.001) as harness:
        first = await sent(harness)
        await asyncio.sleep(0.01)

        answer = await ask(harness, method, first, **options)

        assert answer.status_code == 403
        assert "0.001 s" in answer.json()["detail"]


async def test_an_unknown_message_is_not_found(harness: Harness) -> None:
    harness.rooms.add("mina", room="well")
    elsewhere = (await harness.post("mina", "well", text="hi")).json()["id"]
    first = await sent(harness)
    assert first != elsewhere or await sent(harness)

    for message in {elsewhere, "0000000003vv"} - {first}:
        answer = await ask(harness, "DELETE", message)
        assert answer.status_code == 404
    assert (await harness.post("mina", text="hi", reply_to="0000000003vv")).status_code == 404
    assert (await ask(harness, "DELETE", "nonsense")).status_code == 422


async def test_a_message_that_left_memory_is_looked_up_in_history(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=0) as harness:
        first = await sent(harness)
        await sent(harness)

        answers = [
            await ask(harness, "PUT", f"{first}/reactions/👍", user) for user in ("mina", "jun")
        ]
        await ask(harness, "DELETE", first)
        late = await ask(harness, "PUT", f"{first}/reactions/👍")

        assert [answer.status_code for answer in answers] == [200, 200]
        assert late.status_code == 409
        assert harness.metric("message_lookups_total", source="history") == 1


async def test_a_message_of_the_time_before_a_restart_can_be_changed(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        first = await sent(harness)
    async with running(tmp_path, tail_bytes=0) as harness:
        assert (await ask(harness, "PATCH", first, json={"text": "ho"})).status_code == 200

        harness.history.away = True
        assert (await ask(harness, "PATCH", first, json={"text": "ha"})).status_code == 200
        unknown = await ask(harness, "DELETE", "000000000001")
        assert unknown.status_code == 503


BODIES = [
    b'{"text":"hi","meta":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}",
    b'{"text":"hi","meta":' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}",
    b'{"text":"hi","meta":{"a":' + b"[" * 400 + b"]" * 400 + b"}}",
    b'{"text":"hi","meta":{"a":1,"a":2}}',
    b'{"text":"hi","meta":{"a":18446744073709551616}}',
    b'{"text":"hi","meta":{"a":' + b"9" * 5000 + b"}}",
    b'{"text":"hi","meta":{"a":1e400}}',
    b'{"text":"hi","meta":{"a":NaN}}',
    b'{"text":"hi","meta":{"a":"\\ud800"}}',
    b'{"text":"hi","meta":{"\\ud800":1}}',
    b'{"text":"hi","meta":{"a":"' + b"x" * 8192 + b'"}}',
    b'{"text":"hi","meta":[]}',
    b'{"text":"hi","mentions":["jun"]}',
    b'{"text":"hi","redacted":true}',
    '{"text":"hi","meta":{}}'.encode("utf-16"),
]


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_cannot_be_kept_is_refused(
    harness: Harness, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = await sent(harness)
    headers = bearer(harness.issuer.token("mina")) | {"Content-Type": "application/json"}

    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{first}")):
        answer = await harness.http.request(method, path, content=body, headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_meta_is_returned_as_it_was_sent(harness: Harness) -> None:
    meta: dict[str, Any] = {
        "\0": "\0",
        "$a.b": [2**64 - 1, -(2**63), 1.5, True, None, {"": []}],
        "한": "글",
    }

    answer = await harness.post("mina", text="hi", meta=meta)

    assert answer.status_code == 201
    assert orjson.loads(answer.content)["data"]["meta"] == meta


@pytest.mark.parametrize("emoji", ["a", "👍👍", "%20", "%F0%9F", "🏽", "x" * 100])
async def test_only_emoji_are_reactions(harness: Harness, emoji: str) -> None:
    first = await sent(harness)

    assert (await ask(harness, "PUT", f"{first}/reactions/{emoji}")).status_code == 422
