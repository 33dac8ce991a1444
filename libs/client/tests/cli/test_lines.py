from datetime import UTC, datetime
from typing import Any

import pytest

from madang_client import Event
from madang_client.cli.lines import event_line
from madang_client.cli.plain import plain, plain_lines

TODAY = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)


def event(kind: str, data: dict[str, Any], **fields: Any) -> Event:
    given = {"id": "1", "key": "k", "sender": "id-ada", "sender_name": "Ada"}
    given |= {"at": "2026-01-02T03:04:05.678Z"}
    return Event(**(given | {"kind": kind, "data": data} | fields))


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("message.created", {"text": "hello\nyou"}, "Ada: hello\n    you"),
        ("member.joined", {"user": "id-bob", "name": "Bob"}, "* “Bob” joined"),
        ("member.left", {"user": "id-ada"}, "* “Ada” left"),
        ("member.removed", {"user": "id-bob", "name": "Bob"}, "* “Bob” was removed by “Ada”"),
        ("member.banned", {"user": "id-bob", "name": "Bob"}, "* “Bob” was banned by “Ada”"),
        ("member.unbanned", {"user": "id-bob", "name": "Bob"}, "* “Ada” lets “Bob” in again"),
        (
            "member.role_changed",
            {"user": "id-bob", "name": "Bob", "role": "owner"},
            "* “Ada” made “Bob” an owner",
        ),
        (
            "member.role_changed",
            {"user": "id-bob", "role": "member"},
            "* “Ada” made “id-bob” a member",
        ),
        ("room.created", {"name": "yard"}, "* “Ada” created the room"),
        ("room.updated", {"name": "yard"}, "* the room is now called “yard”"),
        ("room.archived", {}, "* “Ada” archived the room"),
        ("of.tomorrow", {}, "* “Ada”: of.tomorrow"),
        ("message.created", {"text": "yes", "reply_to": "9"}, "Ada, answering “lunch?”: yes"),
        (
            "message.created",
            {"text": "", "redacted": True},
            "* “Ada” sent a message that is deleted",
        ),
        ("message.edited", {"text": "a\nb"}, "* “Ada” edited “lunch?”: a\n    b"),
        ("message.edited", {"meta": {}}, "* “Ada” edited “lunch?”"),
        ("message.deleted", {}, "* “Ada” deleted the message of “Bob” at 03:04:05"),
        (
            "message.deleted",
            {"reason": "spam"},
            "* “Ada” deleted the message of “Bob” at 03:04:05: spam",
        ),
        ("reaction.added", {"emoji": "👍"}, "* “Ada” reacted 👍 to “lunch?”"),
        ("reaction.removed", {"emoji": "👍"}, "* “Ada” took 👍 back from “lunch?”"),
        ("message.pinned", {}, "* “Ada” pinned “lunch?”"),
        ("message.unpinned", {}, "* “Ada” unpinned “lunch?”"),
    ],
)
def test_each_kind_has_its_text(kind: str, data: dict[str, Any], words: str) -> None:
    about = event("message.created", {"text": "lunch?"}, sender_name="Bob")

    assert event_line(event(kind, data), TODAY, about) == f"[03:04:05] {words}"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("message.created", "Ada, answering an earlier message: yes"),
        ("message.edited", "* “Ada” edited an earlier message: yes"),
        ("message.deleted", "* “Ada” deleted an earlier message"),
        ("message.pinned", "* “Ada” pinned an earlier message"),
    ],
)
def test_a_message_that_is_not_known_is_an_earlier_one(kind: str, words: str) -> None:
    data = {"message": "9", "text": "yes", "reply_to": "9"}

    assert event_line(event(kind, data), TODAY) == f"[03:04:05] {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nb", "“a…”"),
        ("x" * 41, f"“{'x' * 40}…”"),
        ("x" * 40, f"“{'x' * 40}”"),
        ("a” and “b", "“a' and 'b”"),
    ],
)
def test_a_line_about_a_message_has_its_beginning(text: str, words: str) -> None:
    about = event("message.created", {"text": text})

    assert event_line(event("message.pinned", {}), TODAY, about).endswith(f"pinned {words}")


def test_another_day_is_shown_with_its_date() -> None:
    tomorrow = TODAY.replace(day=3)

    line = event_line(event("message.created", {"text": "hello"}), tomorrow)

    assert line == "[2026-01-02 03:04] Ada: hello"


def test_missed_events_are_marked() -> None:
    line = event_line(event("message.created", {"text": "hello"}, missed=True), TODAY)

    assert line == "[03:04:05] (missed) Ada: hello"


def test_a_malformed_time_is_shown_unchanged() -> None:
    line = event_line(event("message.created", {"text": "hello"}, at="noon\x07"), TODAY)

    assert line == "[noon\ufffd] Ada: hello"


def test_control_characters_are_replaced() -> None:
    assert plain("a\x1b[0m\tb\n\x9b\u2028\u202ec") == "a\ufffd[0m    b\ufffd\ufffd\ufffd\ufffdc"
    assert plain_lines("a\r\nb\rc") == "a\nb\ufffdc"
    assert plain("마당 👩‍🌾 é") == "마당 👩‍🌾 é"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Minji left. Madang Admin", "* “Minji left. Madang Admin” joined"),
        ("Minji” left. “Madang Admin", "* “Minji' left. 'Madang Admin” joined"),
        ('Minji" left. "Admin', "* “Minji' left. 'Admin” joined"),
        ("مريم", "* “\u2068مريم\u2069” joined"),
    ],
)
def test_a_name_does_not_read_as_the_words_around_it(name: str, words: str) -> None:
    joined = event("member.joined", {"user": "id-bob", "name": name})

    assert event_line(joined, TODAY) == f"[03:04:05] {words}"


def test_a_name_with_a_colon_is_in_quotes_before_what_it_says() -> None:
    message = event("message.created", {"text": "hi"}, sender_name="Minji: I quit. Ada")

    assert event_line(message, TODAY) == "[03:04:05] “Minji: I quit. Ada”: hi"
