import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from libs.client.tests.fakes.chats import MakeChat
from libs.client.tests.fakes.rest_server import problem
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Chat, Event, MadangError, MessageDeleted, TooManyReactions

Change = Callable[[Chat], Awaitable[str]]

CHANGES: list[tuple[Change, str, dict[str, Any]]] = [
    (lambda chat: chat.edit("yard", "m1", "new"), "edit", {"message": "m1", "text": "new"}),
    (lambda chat: chat.edit("yard", "m1", meta={}), "edit", {"message": "m1", "meta": {}}),
    (lambda chat: chat.delete("yard", "m1"), "delete", {"message": "m1"}),
    (
        lambda chat: chat.delete("yard", "m1", reason="spam"),
        "delete",
        {"message": "m1", "reason": "spam"},
    ),
    (lambda chat: chat.react("yard", "m1", "👍"), "react", {"message": "m1", "emoji": "👍"}),
    (lambda chat: chat.unreact("yard", "m1", "👍"), "unreact", {"message": "m1", "emoji": "👍"}),
    (lambda chat: chat.pin("yard", "m1"), "pin", {"message": "m1"}),
    (lambda chat: chat.unpin("yard", "m1"), "unpin", {"message": "m1"}),
    (lambda chat: chat.reply("yard", "m1", "yes"), "send", {"text": "yes", "reply_to": "m1"}),
    (
        lambda chat: chat.send("yard", "lunch?", type="poll", meta={"a": 1}, thread="m1"),
        "send",
        {"text": "lunch?", "type": "poll", "meta": {"a": 1}, "thread": "m1"},
    ),
]


@pytest.mark.parametrize(("change", "action", "body"), CHANGES)
async def test_a_change_is_sent_with_the_fields_that_are_given(
    stomp: StompServer, make_chat: MakeChat, change: Change, action: str, body: dict[str, Any]
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        event_id = await change(chat)

        event = await anext(events)
    sent = stomp.sends[0]
    assert sent.headers["destination"] == f"/app/rooms.yard.{action}"
    assert sent.headers["content-type"] == "application/json"
    assert orjson.loads(sent.body) == body
    assert isinstance(event, Event)
    assert (event.id, event.data) == (event_id, body)


@pytest.mark.parametrize("change", [change for change, _, _ in CHANGES])
async def test_a_change_whose_connection_is_lost_is_retried_with_its_key_and_stored_once(
    stomp: StompServer, make_chat: MakeChat, change: Change
) -> None:
    stomp.script.drops_after_store = 2
    async with make_chat() as chat:
        event_id = await change(chat)

    assert [frame.headers.get("retry") for frame in stomp.sends] == [None, "true", "true"]
    assert len({frame.headers["key"] for frame in stomp.sends}) == 1
    assert [event["id"] for event in stomp.events["yard"]] == [event_id]


async def test_messages_and_changes_keep_the_order_of_the_calls(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        await stomp.stop()
        calls = [
            asyncio.create_task(chat.send("yard", "hello")),
            asyncio.create_task(chat.pin("yard", "m1")),
            asyncio.create_task(chat.edit("yard", "m1", "new")),
            asyncio.create_task(chat.delete("yard", "m1")),
        ]
        await asyncio.sleep(0)
        await stomp.start()
        await asyncio.gather(*calls)

    assert [event["kind"] for event in stomp.events["yard"]] == [
        "message.created",
        "message.pinned",
        "message.edited",
        "message.deleted",
    ]


@pytest.mark.parametrize(
    ("slug", "kind"),
    [("message-deleted", MessageDeleted), ("too-many-reactions", TooManyReactions)],
)
async def test_a_refused_change_raises_the_problem_and_the_chat_continues(
    stomp: StompServer, make_chat: MakeChat, slug: str, kind: type[MadangError]
) -> None:
    stomp.script.sends = [problem(slug, 409)]
    async with make_chat() as chat:
        with pytest.raises(kind):
            await chat.react("yard", "m1", "👍")

        await chat.react("yard", "m2", "👍")

    assert [event["data"]["message"] for event in stomp.events["yard"]] == ["m2"]
    assert len(stomp.connects) == 1
