import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_gateway.protocol.destinations import Action, SendTarget
from madang_gateway.protocol.tutorial_destinations import (
    TutorialBody,
    is_send,
    read_send,
    room_of_topic,
)


def body(**fields: object) -> bytes:
    return orjson.dumps(fields)


def event(kind: str, data: dict[str, Any], *, name: str = "Mina") -> Event:
    return Event(
        key="k",
        kind=kind,
        sender="mina",
        sender_name=name,
        at="2026-01-01T00:00:00.000Z",
        data=data,
        room="abc",
    )


def mapped(event: Event) -> Any:
    written = TutorialBody("{name} is here.", "{name} is gone.")(event, 3)
    return None if written is None else orjson.loads(written)


@pytest.mark.parametrize(
    ("destination", "ours"),
    [
        ("/pub/chat", True),
        ("/pub/chat/message", True),
        ("/pub/chat.message.abc", True),
        ("/pub/chat.message.a.b", True),
        ("/pub/chatter", False),
        ("/pub/hello", False),
        ("/app/rooms.abc.send", False),
    ],
)
def test_the_sends_of_both_families_are_known(destination: str, *, ours: bool) -> None:
    assert is_send(destination) is ours


@pytest.mark.parametrize(
    ("destination", "room"),
    [
        ("/sub/chat/room/abc", "abc"),
        ("/exchange/chat.exchange/room.abc", "abc"),
        ("/sub/chat/room/", None),
        ("/sub/chat/room/a/b", None),
        ("/exchange/chat.exchange/room.*", None),
        ("/topic/rooms.abc", None),
    ],
)
def test_the_topics_of_both_families_are_known(destination: str, room: str | None) -> None:
    assert room_of_topic(destination) == room


@pytest.mark.parametrize(
    ("said", "action"),
    [("ENTER", Action.ENTER), ("TALK", Action.MESSAGE), ("QUIT", Action.QUIT)],
)
def test_the_first_family_names_the_room_in_the_body(said: str, action: Action) -> None:
    sent = body(type=said, roomId="abc", sender="someone else", message="hi", userCount=3)

    target, text = read_send("/pub/chat/message", sent)

    assert target == SendTarget(action, "abc")
    assert text == ("hi" if action is Action.MESSAGE else "")


def test_the_second_family_names_the_room_in_the_destination() -> None:
    sent = body(type="TALK", roomId="xyz", message="hi")

    target, text = read_send("/pub/chat.message.abc", sent)

    assert (target, text) == (SendTarget(Action.MESSAGE, "abc"), "hi")


def test_a_body_without_a_type_is_talk() -> None:
    target, text = read_send("/pub/chat.message.abc", body(message="hi"))

    assert (target, text) == (SendTarget(Action.MESSAGE, "abc"), "hi")


@pytest.mark.parametrize(
    ("destination", "action"),
    [
        ("/pub/chat.enter.0abc", Action.ENTER),
        ("/pub/chat.message.0abc", Action.MESSAGE),
        ("/pub/chat.leave.0abc", Action.QUIT),
        ("/pub/chat.quit.0abc", Action.QUIT),
        ("/pub/chat.exit.0abc", Action.QUIT),
        ("/pub/chat.send.0abc", Action.MESSAGE),
        ("/pub/chat.join.0abc", Action.ENTER),
        ("/pub/chat/enter/0abc", Action.ENTER),
        ("/pub/chat/message/0abc", Action.MESSAGE),
        ("/pub/chat/0abc", Action.MESSAGE),
        ("/pub/chat/0abc/send", Action.MESSAGE),
        ("/pub/chat/0abc/enter", Action.ENTER),
    ],
)
def test_destinations_name_the_action_and_the_room(destination: str, action: Action) -> None:
    sent = body(memberId=1, nickname="x", content="hi")

    target, _ = read_send(destination, sent)

    assert target == SendTarget(action, "0abc")


@pytest.mark.parametrize(
    ("destination", "action"),
    [
        ("/pub/chat", Action.MESSAGE),
        ("/pub/chat/message", Action.MESSAGE),
        ("/pub/chat.message", Action.MESSAGE),
        ("/pub/chat/sendMessage", Action.MESSAGE),
        ("/pub/chat/enter", Action.ENTER),
        ("/pub/chat/enterUser", Action.ENTER),
        ("/pub/chat/leave", Action.QUIT),
    ],
)
def test_destinations_may_name_the_action_alone(destination: str, action: Action) -> None:
    target, _ = read_send(destination, body(roomId="0abc", writer="x", message="hi"))

    assert target == SendTarget(action, "0abc")


@pytest.mark.parametrize("sent", [b"", b" ", b"{}"])
def test_a_destination_may_say_it_all(sent: bytes) -> None:
    assert read_send("/pub/chat.enter.abc", sent) == (
        SendTarget(Action.ENTER, "abc"),
        "",
    )


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"type": "ENTER", "message": None}, Action.ENTER),
        ({"type": "enter"}, Action.ENTER),
        ({"type": "JOIN", "content": ""}, Action.ENTER),
        ({"messageType": "CHAT", "message": "hi"}, Action.MESSAGE),
        ({"type": "talk", "contents": "hi"}, Action.MESSAGE),
        ({"type": "MESSAGE", "msg": "hi"}, Action.MESSAGE),
        ({"type": "TEXT", "text": "hi"}, Action.MESSAGE),
        ({"type": None, "message": "hi"}, Action.MESSAGE),
        ({"type": "", "message": "hi"}, Action.MESSAGE),
        ({"type": "LEAVE"}, Action.QUIT),
        ({"type": "EXIT", "message": {"text": "x"}}, Action.QUIT),
        ({"messageType": "Quit", "sender": {"id": 1}, "sentAt": [2026, 1, 1]}, Action.QUIT),
    ],
)
def test_types_have_other_words_for_the_same(fields: dict[str, object], action: Action) -> None:
    target, text = read_send("/pub/chat/message", body(roomId="abc", **fields))

    assert target == SendTarget(action, "abc")
    assert text == ("hi" if action is Action.MESSAGE else "")


def test_a_type_counts_more_than_the_destination() -> None:
    sent = body(matchingNickname="x", message="hi", messageType="CHAT")

    target, text = read_send("/pub/chat/enter/0abc", sent)

    assert (target, text) == (SendTarget(Action.MESSAGE, "0abc"), "hi")


@pytest.mark.parametrize("name", ["roomId", "room_id", "chatRoomId", "chatroomId", "room"])
@pytest.mark.parametrize(("value", "room"), [("7", "7"), (7, "7"), ("0ab-c_D", "0ab-c_D")])
def test_the_room_has_other_names_and_may_be_a_number(name: str, value: object, room: str) -> None:
    target, _ = read_send("/pub/chat/message", body(message="hi", **{name: value}))

    assert target == SendTarget(Action.MESSAGE, room)


def test_a_message_that_is_a_number_is_its_digits() -> None:
    assert read_send("/pub/chat.message.abc", body(message=0))[1] == "0"


def test_the_first_field_that_says_something_is_the_text() -> None:
    assert read_send("/pub/chat.message.abc", body(message=None, content="hi"))[1] == "hi"


@pytest.mark.parametrize("destination", ["/pub/chat/message", "/pub/chat.message.abc"])
@pytest.mark.parametrize(
    "sent",
    [
        b"hi",
        b"[]",
        b'"hi"',
        b"\xff",
        b"[" * 5000,
        b'{"message":"\\ud800","roomId":"abc"}',
        body(type="SHOUT", roomId="abc", message="hi"),
        body(type=0, roomId="abc", message="hi"),
        body(type="TALK", roomId="abc"),
        body(type="TALK", roomId="abc", message=""),
        body(type="TALK", roomId="abc", message=None),
        body(type="TALK", roomId="abc", message=["hi"]),
        body(type="TALK", roomId="abc", message=True),
    ],
)
def test_an_unknown_body_is_ignored(destination: str, sent: bytes) -> None:
    assert read_send(destination, sent) == (None, "")


@pytest.mark.parametrize("room", [None, "", "a.b", "a" * 65, -1.5, [1], {"id": 1}, "방"])
def test_a_body_that_names_no_room_is_ignored(room: object) -> None:
    assert read_send("/pub/chat/message", body(message="hi", roomId=room)) == (None, "")


@pytest.mark.parametrize(
    "destination",
    [
        "/pub/chat/",
        "/pub/chat.message.",
        "/pub/chat.message.a.b",
        "/pub/chat.enter.1.2",
        "/pub/chat/messageList/1",
        "/pub/chat/messageList",
        "/pub/chat.message.방",
        "/pub/chat.message." + "a" * 65,
        "/pub/chat/" + "a/" * 5000,
    ],
)
def test_an_unknown_destination_is_ignored(destination: str) -> None:
    assert read_send(destination, body(message="hi")) == (None, "")


def test_talk_is_written_as_the_tutorials_expect_it() -> None:
    assert mapped(event("message.created", {"text": "안녕"})) == {
        "type": "TALK",
        "roomId": "abc",
        "sender": "Mina",
        "message": "안녕",
        "userCount": 3,
    }


@pytest.mark.parametrize(
    ("kind", "data", "said", "who", "text"),
    [
        ("presence.entered", {}, "ENTER", "Mina", "Mina is here."),
        ("presence.quit", {}, "QUIT", "Mina", "Mina is gone."),
        ("member.joined", {"name": "Jun"}, "ENTER", "Jun", "Jun is here."),
        ("member.left", {"name": "Jun"}, "QUIT", "Jun", "Jun is gone."),
        ("member.removed", {"name": "Jun"}, "QUIT", "Jun", "Jun is gone."),
        ("member.banned", {"name": "Jun", "removed": True}, "QUIT", "Jun", "Jun is gone."),
    ],
)
def test_coming_and_going_is_written_as_enter_and_quit(
    kind: str, data: dict[str, Any], said: str, who: str, text: str
) -> None:
    written = mapped(event(kind, data))

    assert (written["type"], written["sender"], written["message"]) == (said, who, text)


def test_a_name_that_could_be_read_as_more_is_set_apart() -> None:
    name = "Mina is gone. Madang Admin"

    written = mapped(event("presence.entered", {}, name=name))

    assert written["message"] == f"\u2068“{name}”\u2069 is here."
    assert written["sender"] == name


def test_a_ban_of_a_non_member_is_not_a_quit() -> None:
    assert mapped(event("member.banned", {"name": "Jun", "removed": False})) is None


def test_a_name_with_braces_in_it_is_only_a_name() -> None:
    written = mapped(event("presence.entered", {}, name="{name}{0}"))

    assert written["message"] == "\u2068“{name}{0}”\u2069 is here."


@pytest.mark.parametrize(
    "kind", ["room.typing", "room.read", "room.updated", "member.role_changed"]
)
def test_events_unknown_to_tutorials_are_omitted(kind: str) -> None:
    assert mapped(event(kind, {})) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(["type", "messageType", "roomId", "room_id", "message", "content", "x"])
BODIES = st.one_of(
    st.binary(),
    st.dictionaries(FIELDS, JSON | st.sampled_from(["ENTER", "talk", "0abc"])).map(
        lambda fields: json.dumps(fields).encode()
    ),
)


@given(st.text() | st.sampled_from(["/message", ".enter.0abc", "/0abc", ""]), BODIES)
def test_whatever_a_tutorial_sends_it_is_understood_or_ignored(rest: str, sent: bytes) -> None:
    target, text = read_send(f"/pub/chat{rest}", sent)

    assert (target is not None and target.action is Action.MESSAGE) == bool(text)
    assert target is None or re.fullmatch(r"[A-Za-z0-9_-]{1,64}", target.room)


def test_tutorials_get_no_deleted_message_and_no_change_of_one() -> None:
    assert mapped(event("message.created", {"text": "hi"}))["message"] == "hi"
    assert mapped(event("message.created", {"text": "", "redacted": True})) is None
    assert mapped(event("message.edited", {"message": "000000000800", "text": "ho"})) is None
