"""Edits, deletions, reactions and pins over a real socket."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from madang_common.events.kinds import Role
from services.gateway.tests.harness import Harness, message, running
from services.gateway.tests.stomp_client import Client, written

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"
JSON = "application/json"


async def change(client: Client, action: str, **body: Any) -> str:
    destination = f"/app/rooms.yard.{action}"
    return await client.send(orjson.dumps(body).decode(), destination=destination)


async def test_the_life_of_a_message(harness: Harness) -> None:
    harness.rooms.roles["jun", "yard"] = Role.OWNER
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        first = await mina.send("hi")
        ids = [
            await change(mina, "edit", message=first, text="ho"),
            await change(jun, "react", message=first, emoji="👍"),
            await change(jun, "unreact", message=first, emoji="👍"),
            await change(jun, "pin", message=first),
            await change(jun, "unpin", message=first),
            await change(jun, "delete", message=first, reason="oops"),
        ]

        received = (await jun.messages(7))[1:]

        assert [frame.headers["message-id"] for frame in received] == ids == sorted(ids)
        assert [frame.json["kind"] for frame in received] == [
            "message.edited",
            "reaction.added",
            "reaction.removed",
            "message.pinned",
            "message.unpinned",
            "message.deleted",
        ]
        assert received[0].json["data"] == {"message": first, "text": "ho"}
        assert received[-1].json["data"] == {"message": first, "reason": "oops"}


async def test_a_resumed_subscription_does_not_get_what_was_deleted(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        first = await mina.send("secret")
        await change(mina, "edit", message=first, text="secret, too")
        await change(mina, "delete", message=first)

        await jun.subscribe(YARD, since="start")

        frames = await jun.messages(3)
        assert [frame.json["data"] for frame in frames] == [
            {"text": "", "redacted": True},
            {"message": first, "redacted": True},
            {"message": first},
        ]


async def test_the_rest_of_a_message_is_sent_as_json(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        root = await mina.send("hi")
        data = {"text": "ho", "type": "poll", "meta": {"a": 1}, "reply_to": root, "thread": root}

        await change(mina, "send", **data)  # declared as text/plain
        await mina.send(orjson.dumps(data).decode(), **{"content-type": JSON})

        _, as_text, as_json = await jun.messages(3)
        assert as_text.json["data"] == {"text": orjson.dumps(data).decode()}
        assert as_json.json["data"] == data


async def test_refusals_name_their_problem(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(ERRORS, "errors")
        first = await mina.send("hi")

        async def refused(action: str, **body: Any) -> str:
            headers = {"destination": f"/app/rooms.yard.{action}", "content-type": JSON}
            await jun.say("SEND", headers, orjson.dumps(body))
            return str((await jun.refusal())["type"]).rpartition(":")[2]

        assert await refused("edit", message=first, text="ho") == "forbidden"
        assert await refused("pin", message=first) == "forbidden"
        assert await refused("react", message=first, emoji="x") == "invalid-body"
        assert await refused("react", message="0" * 11 + "1", emoji="👍") == "not-found"
        assert await refused("send", message=first) == "invalid-body"
        await change(mina, "delete", message=first)
        assert await refused("react", message=first, emoji="👍") == "message-deleted"


async def test_a_transaction_may_change_messages(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        first = await mina.send("hi")
        await mina.say("BEGIN", {"transaction": "t"})
        for action, body in (
            ("edit", {"message": first, "text": "ho"}),
            ("react", {"message": first, "emoji": "👍"}),
        ):
            headers = {"destination": f"/app/rooms.yard.{action}", "transaction": "t"}
            await mina.say("SEND", headers, orjson.dumps(body))
        await mina.say("COMMIT", {"transaction": "t", "receipt": "done"})
        await mina.receipt("done")

        kinds = [frame.json["kind"] for frame in await jun.messages(3)]
        assert kinds == ["message.created", "message.edited", "reaction.added"]


async def test_an_edit_by_another_user_in_the_log_does_no_harm(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        first = await mina.send("hi")
        data = {"message": first, "text": "not yours"}
        await harness.append(message(kind="message.edited", sender="jun", data=data))

        assert await change(mina, "edit", message=first, text="mine")


@pytest.mark.parametrize("levels", [17, 250, 300, 1000, 5000])
async def test_deep_meta_is_refused_and_the_session_goes_on(tmp_path: Path, levels: int) -> None:
    meta = b'{"a":' * levels + b"1" + b"}" * levels
    body = b'{"text":"hi","meta":' + meta + b"}"
    headers = {"destination": "/app/rooms.yard.send", "content-type": JSON}
    async with (
        running(tmp_path, message_bytes=65_536) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")

        await mina.raw(written("SEND", headers, body))

        assert (await mina.refusal())["status"] == 422
        assert await mina.send("still here")
