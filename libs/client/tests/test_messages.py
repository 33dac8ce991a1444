from typing import Any

import pytest

from libs.client.tests.fakes.rest_server import RestServer
from madang_client import Login, Message, NotFound, ProtocolError, Reaction
from madang_client.message import read_message

PLAIN = {"id": "m1", "sender": "id-bob", "sender_name": "Bob", "at": "2026-01-02T03:04:05.678Z"}


async def test_messages_are_read_in_pages_in_their_present_state(
    login: Login, rest: RestServer
) -> None:
    room = rest.add_room("yard", "ada")
    rest.messages[room] = [PLAIN | {"id": f"m{n}", "text": f"t{n}"} for n in range(5)]

    newest = await login.messages(room, limit=3)
    oldest = await login.messages(room, limit=3, before=newest.before)

    assert [message.text for message in newest.items] == ["t2", "t3", "t4"]
    assert [message.text for message in oldest.items] == ["t0", "t1"]
    assert oldest.before is None


async def test_one_message_is_read_by_its_id(login: Login, rest: RestServer) -> None:
    room = rest.add_room("yard", "ada")
    rest.messages[room] = [PLAIN | {"text": "hello"}]

    assert (await login.message(room, "m1")).text == "hello"
    with pytest.raises(NotFound):
        await login.message(room, "m2")


def test_all_of_a_message_is_read() -> None:
    document = PLAIN | {
        "version": "m9",
        "type": "poll",
        "text": "lunch?",
        "meta": {"a": 1},
        "mentions": ["id-ada"],
        "reply_to": "m0",
        "thread": "m0",
        "edited_at": "2026-01-02T03:05:00.000Z",
        "reactions": [{"emoji": "👍", "count": 1, "mine": True, "users": ["id-ada"]}],
        "pinned_at": "2026-01-02T03:06:00.000Z",
        "pinned_by": "id-ada",
        "thread_summary": {"replies": 2, "last_reply": "m8", "participants": []},
    }

    assert read_message(document) == Message(
        id="m1",
        sender="id-bob",
        sender_name="Bob",
        at="2026-01-02T03:04:05.678Z",
        type="poll",
        text="lunch?",
        meta={"a": 1},
        mentions=("id-ada",),
        reply_to="m0",
        thread="m0",
        edited_at="2026-01-02T03:05:00.000Z",
        reactions=(Reaction("👍", 1, mine=True, users=("id-ada",)),),
        pinned_at="2026-01-02T03:06:00.000Z",
        pinned_by="id-ada",
        replies=2,
    )


def test_a_deleted_message_has_no_text() -> None:
    deleted = {"deleted": True, "deleted_at": "…", "deleted_by": "id-ada", "reason": "spam"}

    message = read_message(PLAIN | deleted)

    assert (message.text, message.deleted) == ("", True)
    assert (message.deleted_by, message.reason) == ("id-ada", "spam")


@pytest.mark.parametrize(
    "document", [None, [], {}, {"id": "m1"}, PLAIN | {"reactions": [1]}, PLAIN | {"mentions": 1}]
)
def test_a_malformed_message_is_a_protocol_error(document: Any) -> None:
    with pytest.raises(ProtocolError):
        read_message(document)
