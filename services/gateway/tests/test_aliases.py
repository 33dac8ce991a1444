from typing import Any

import orjson
import pytest

from madang_common.events.envelope import Event
from madang_common.problems import InvalidBody
from madang_gateway import aliases
from madang_gateway.aliases import TutorialBody
from madang_gateway.destinations import Action, SendTarget


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
        ("/pub/chat/message", True),
        ("/pub/chat.message.abc", True),
        ("/pub/chat.message.", False),
        ("/pub/chat.message.a.b", False),
        ("/pub/chat/message/", False),
        ("/app/rooms.abc.send", False),
    ],
)
def test_the_sends_of_both_families_are_known(destination: str, *, ours: bool) -> None:
    assert aliases.is_send(destination) is ours


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
    assert aliases.room_of_topic(destination) == room


@pytest.mark.parametrize(
    ("said", "action"),
    [("ENTER", Action.ENTER), ("TALK", Action.MESSAGE), ("QUIT", Action.QUIT)],
)
def test_the_first_family_names_the_room_in_the_body(said: str, action: Action) -> None:
    sent = body(type=said, roomId="abc", sender="someone else", message="hi", userCount=3)

    assert aliases.read_send("/pub/chat/message", sent) == (SendTarget(action, "abc"), "hi")


def test_the_second_family_names_the_room_in_the_destination() -> None:
    sent = body(type="TALK", roomId="xyz", message="hi")

    target, text = aliases.read_send("/pub/chat.message.abc", sent)

    assert (target, text) == (SendTarget(Action.MESSAGE, "abc"), "hi")


def test_a_body_without_a_type_is_talk() -> None:
    target, text = aliases.read_send("/pub/chat.message.abc", body(message="hi"))

    assert (target.action, text) == (Action.MESSAGE, "hi")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"hi",
        b"[]",
        b"\xff",
        b"[" * 5000,
        body(type="TALK", message="hi"),
        body(type="SHOUT", roomId="abc", message="hi"),
        body(type="TALK", roomId="a.b", message="hi"),
        body(type="TALK", roomId="a" * 65, message="hi"),
        body(type="TALK", roomId="abc", message=["hi"]),
    ],
)
def test_a_body_that_is_none_is_refused(sent: bytes) -> None:
    with pytest.raises(InvalidBody):
        aliases.read_send("/pub/chat/message", sent)


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


def test_a_ban_of_somebody_who_was_not_here_is_nobodys_quit() -> None:
    assert mapped(event("member.banned", {"name": "Jun", "removed": False})) is None


def test_a_name_with_braces_in_it_is_only_a_name() -> None:
    assert (
        mapped(event("presence.entered", {}, name="{name}{0}"))["message"] == "{name}{0} is here."
    )


@pytest.mark.parametrize(
    "kind", ["room.typing", "room.read", "room.updated", "member.role_changed"]
)
def test_what_tutorials_do_not_know_is_left_out(kind: str) -> None:
    assert mapped(event(kind, {})) is None
