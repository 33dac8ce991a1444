"""REST: sending without a WebSocket."""

import asyncio
from pathlib import Path

import pytest

from services.gateway.tests.harness import Harness, running
from tests.support.issuer import bearer

PATH = "/api/gateway/v1/rooms/yard/messages"


async def test_a_message_sent_over_rest_is_delivered(harness: Harness) -> None:
    async with harness.connected("jun") as jun:
        await jun.subscribe("/topic/rooms.yard")

        answer = await harness.post("mina", text="안녕", key="k")

        assert answer.status_code == 201
        received = await jun.message()
        assert answer.json() == {
            "id": received.headers["message-id"],
            "key": "k",
            "kind": "message.created",
            "room": "yard",
            "sender": "mina",
            "data": {"text": "안녕"},
        }
        assert received.text == "안녕"


async def test_a_message_without_a_key_gets_one(harness: Harness) -> None:
    first, second = await harness.post("mina", text="hi"), await harness.post("mina", text="hi")

    assert first.json()["key"] != second.json()["key"]
    assert first.json()["id"] < second.json()["id"]


async def test_a_repeated_key_sends_nothing(harness: Harness) -> None:
    answers = await asyncio.gather(*(harness.post("mina", text="hi", key="k") for _ in range(5)))
    later = await harness.post("mina", text="hi", key="k")

    assert {answer.status_code for answer in [*answers, later]} == {201}
    assert len({answer.json()["id"] for answer in [*answers, later]}) == 1


async def test_the_same_key_is_remembered_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        first = await harness.post("mina", text="hi", key="k")
    async with running(tmp_path, tail_seconds=0, key_seconds=1e-6, key_count=1) as harness:
        for _ in range(2):
            await harness.post("mina", text="push the key out")

        again = await harness.post("mina", text="hi", key="k")
        other = await harness.post("mina", text="bye", key="k")

    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 409


async def test_the_same_key_for_something_else_is_a_conflict(harness: Harness) -> None:
    await harness.post("mina", text="hi", key="k")

    answer = await harness.post("mina", text="bye", key="k")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:madang:problem:key-conflict"


@pytest.mark.parametrize(("user", "room", "status"), [("ara", "yard", 403), ("ara", "well", 404)])
async def test_only_members_write(harness: Harness, user: str, room: str, status: int) -> None:
    answer = await harness.post(user, room, text="hi")

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_message_may_have_so_many_bytes(harness: Harness) -> None:
    assert (await harness.post("mina", text="x" * 16_384)).status_code == 201
    assert (await harness.post("mina", text="x" * 16_385)).status_code == 413
    assert (await harness.post("mina", text="마" * 6_000)).status_code == 413
    assert (await harness.post("mina", text="x" * 70_000)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"text":""}',
        b'{"text":5}',
        b'{"text":"hi","more":1}',
        b'{"text":"hi","key":""}',
        b'{"text":"\\ud800"}',
        b'{"text":"hi","key":"\\ud800"}',
        b'{"text":"\xff"}',
        b"[" * 10_000,
    ],
)
async def test_a_body_that_is_none_is_refused(
    harness: Harness, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await harness.http.post(
        PATH,
        content=body,
        headers=bearer(harness.issuer.token("mina")) | {"Content-Type": "application/json"},
    )

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_key_must_be_printable(harness: Harness) -> None:
    assert (await harness.post("mina", text="hi", key="a\nb")).status_code == 400
    assert (await harness.post("mina", text="hi", key="k" * 65)).status_code == 422


@pytest.mark.parametrize("room", ["a.b", "a b", "x" * 65, "%2e%2e"])
async def test_a_room_that_can_be_none_is_refused(harness: Harness, room: str) -> None:
    assert (await harness.post("mina", room, text="hi")).status_code == 422


async def test_a_request_without_a_token_is_refused(harness: Harness) -> None:
    answer = await harness.http.post(PATH, json={"text": "hi"})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    for token in (
        "nonsense",
        harness.issuer.service_token("rooms"),
        harness.issuer.token("m", sid=""),
    ):
        refused = await harness.http.post(PATH, json={"text": "hi"}, headers=bearer(token))
        assert refused.status_code == 401


async def test_while_rooms_is_unavailable_the_response_is_503(harness: Harness) -> None:
    harness.rooms.away = True

    assert (await harness.post("mina", text="hi")).status_code == 503


async def test_with_the_log_closed_the_answer_is_try_again(tmp_path: Path) -> None:
    async with running(tmp_path, append_seconds=0.2) as harness:
        await harness.log.close()

        assert (await harness.post("mina", text="hi")).status_code == 503
        ready = await harness.http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["dependencies"]["log"] == "LogUnavailable"


async def test_it_is_ready_when_everything_is_there(harness: Harness) -> None:
    assert (await harness.http.get("/health/ready")).status_code == 200
    assert "madang_gateway_connections" in (await harness.http.get("/metrics")).text
