"""The decoder of lines: the fast path equals the general path."""

import string
from collections.abc import Container

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_gateway.state.event_decoder import DecodedLine, decode_any_line, decode_line

AT = "2026-11-22T00:00:00.000Z"
MESSAGE = Event("k", "message.created", "mina", "미나", AT, {"text": "안녕"}, "yard")


def decoded_or_none(line: bytes, subscribed: Container[str]) -> DecodedLine | None:
    try:
        return decode_line(line, subscribed)
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
def test_any_message_is_decoded_as_by_the_general_path(
    key: str, name: str, text: str, room: str, headers: dict[str, str]
) -> None:
    message = Event(key, "message.created", "mina", name, AT, {"text": text}, room, headers=headers)
    line = message.line()

    assert decode_line(line, {message.audience}) == decode_any_line(line)
    assert decode_line(line, ())[1:] == decode_any_line(line)[1:]


@given(st.integers(0, len(MESSAGE.line()) - 1), st.binary(max_size=2))
@example(10, b'"')
@example(10, b"\\")
@example(10, b"\n")
@example(10, b"\xff")
def test_a_mutated_line_is_decoded_or_refused_as_by_the_general_path(
    index: int, inserted: bytes
) -> None:
    line = MESSAGE.line()
    line = line[:index] + inserted + line[index + 1 :]
    try:
        expected = decode_any_line(line)
    except ValueError:
        assert decoded_or_none(line, ()) is None
        return

    event, *rest = decode_line(line, ())
    assert event is None or event == expected[0]
    assert rest == list(expected[1:])


@pytest.mark.parametrize("character", string.printable)
def test_every_character_is_decoded_as_by_the_general_path(character: str) -> None:
    line = MESSAGE._replace(data={"text": f"a{character}b"}).line()

    assert decode_line(line, {"rooms.yard"}) == decode_any_line(line)


@pytest.mark.parametrize(
    "event",
    [
        MESSAGE._replace(kind="member.left", data={"user": "mina"}),
        MESSAGE._replace(data={"text": "hi", "more": 1}),
        MESSAGE._replace(room=None, user="mina"),
    ],
)
def test_other_events_take_the_general_path(event: Event) -> None:
    assert decode_line(event.line(), ()) == decode_any_line(event.line())


def test_the_event_is_not_built_without_a_subscription_to_its_audience() -> None:
    assert decode_line(MESSAGE.line(), {"rooms.elsewhere"})[0] is None
