import string
from collections.abc import Container

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from madang_common.events.envelope import Event, read_line
from madang_gateway.state.event_decoder import Read, read, said_by

AT = "2026-11-22T00:00:00.000Z"
PLAIN = Event("k", "message.created", "mina", "미나", AT, {"text": "안녕"}, "yard")


def long_way(line: bytes) -> Read:
    return said_by(read_line(line))


def outcome(line: bytes, wanted: Container[str]) -> Read | None:
    try:
        return read(line, wanted)
    except ValueError:
        return None


@given(
    key=st.text(),
    name=st.text(),
    text=st.text(),
    room=st.text(),
    headers=st.dictionaries(st.text(), st.text(), max_size=1),
)
@example("k", "Mina", 'a "quote" and a \\', "yard", {})
@example("k", "Mina", "two\nlines \x7f \u2028", "yard", {})
def test_a_message_says_what_its_line_says(
    key: str, name: str, text: str, room: str, headers: dict[str, str]
) -> None:
    message = Event(key, "message.created", "mina", name, AT, {"text": text}, room, headers=headers)
    line = message.line()

    assert read(line, {message.audience}) == long_way(line)
    assert read(line, ())[1:] == long_way(line)[1:]


def test_what_nobody_wants_is_left_out() -> None:
    assert read(PLAIN.line(), {"rooms.elsewhere"})[0] is None


@pytest.mark.parametrize(
    "event",
    [
        PLAIN._replace(kind="member.left", data={"user": "mina"}),
        PLAIN._replace(data={"text": "hi", "more": 1}),
        PLAIN._replace(room=None, user="mina"),
    ],
)
def test_all_other_events_are_read(event: Event) -> None:
    assert read(event.line(), ()) == long_way(event.line())


@given(st.integers(0, len(PLAIN.line()) - 1), st.binary(max_size=2))
@example(10, b'"')
@example(10, b"\\")
@example(10, b"\n")
@example(10, b"\xff")
def test_what_the_pattern_accepts_is_what_json_would_say(place: int, more: bytes) -> None:
    line = PLAIN.line()
    line = line[:place] + more + line[place + 1 :]
    try:
        expected = long_way(line)
    except ValueError:
        assert outcome(line, ()) is None
        return

    event, *rest = read(line, ())
    assert event is None or event == expected[0]
    assert rest == list(expected[1:])


@pytest.mark.parametrize("character", string.printable)
def test_every_character_in_a_text_is_read_alike(character: str) -> None:
    line = PLAIN._replace(data={"text": f"a{character}b"}).line()

    assert read(line, {"rooms.yard"}) == long_way(line)
