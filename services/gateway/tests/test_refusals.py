"""Refusals are counted and logged alike, over STOMP and REST."""

import pytest
import structlog
from structlog.testing import capture_logs

from madang_common.http.openapi import problem_types
from services.gateway.tests.harness import Harness

ERRORS = "/user/queue/errors"


def _refused(entries: list[structlog.typing.EventDict]) -> list[structlog.typing.EventDict]:
    return [entry for entry in entries if entry["event"] == "refused"]


async def test_a_refusal_over_stomp_and_over_rest_is_one_line_each(harness: Harness) -> None:
    with capture_logs() as entries:
        async with harness.connected("mina") as mina:
            await mina.subscribe(ERRORS, "errors")
            await mina.say("SEND", {"destination": "/app/rooms.other.send", "receipt": "7"}, b"hi")
            await mina.refusal()
        answer = await harness.post("mina", "other", text="hi")

    over_stomp, over_rest = _refused(entries)
    assert answer.status_code == 404
    for entry in (over_stomp, over_rest):
        assert (entry["type"], entry["user_id"], entry["room"]) == ("not-found", "mina", "other")
        assert entry["detail"]
    assert over_stomp["receipt_id"] == "7"
    assert "receipt_id" not in over_rest
    assert over_rest["request_id"] == answer.headers["X-Request-ID"]
    assert harness.metric("refusals_total", type="not-found") == 2


@pytest.mark.parametrize(
    ("command", "headers", "body"),
    [
        ("SUBSCRIBE", {"destination": "/topic/rooms.other", "id": "s"}, b""),
        ("SUBSCRIBE", {"destination": "/topic/rooms.other", "id": "s", "since": "?"}, b""),
        ("SEND", {"destination": "/app/rooms.other.send"}, b""),
        ("SEND", {"destination": "/app/rooms.other.send"}, b"x" * 20_000),
    ],
)
async def test_the_line_names_the_room_of_every_refused_frame(
    harness: Harness, command: str, headers: dict[str, str], body: bytes
) -> None:
    with capture_logs() as entries:
        async with harness.connected("mina") as mina:
            await mina.subscribe(ERRORS, "errors")
            await mina.say(command, {**headers, "receipt": "7"}, body)
            await mina.refusal()

    (entry,) = _refused(entries)
    assert (entry["room"], entry["receipt_id"]) == ("other", "7")


async def test_a_protocol_error_is_logged_too(harness: Harness) -> None:
    with capture_logs() as entries:
        async with harness.connected("mina") as mina:
            await mina.raw(b"SEND\nreceipt:7\n\nhi\0")
            assert await mina.closed() == 4400

    (entry,) = _refused(entries)
    assert (entry["type"], entry["user_id"]) == ("protocol-error", "mina")
    assert entry["receipt_id"] == "7"


async def test_the_close_after_a_refusal_has_its_title_as_reason(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.say("SEND", {"destination": "/app/rooms.other.send"}, b"hi")

        assert await mina.closed() == 4403
        assert mina.socket.close_reason == "Not found"


async def test_every_type_that_can_occur_is_there_before_it_does(harness: Harness) -> None:
    page = (await harness.http.get("/metrics")).text

    for kind in (*problem_types(harness.app.state.routers), "protocol-error"):
        assert f'madang_gateway_refusals_total{{type="{kind}"}} 0.0' in page


async def test_a_plain_request_to_the_websocket_path_gets_426(harness: Harness) -> None:
    answer = await harness.http.get("/ws")

    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.headers["Connection"] == "Upgrade"
    assert answer.json()["type"] == "urn:madang:problem:upgrade-required"
    assert harness.metric("refusals_total", type="upgrade-required") == 1
