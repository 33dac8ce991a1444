from collections.abc import Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.envelope import Event, read_line, room_audience, user_audience
from madang_common.log.position import to_id

TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    key=TEXT,
    kind=TEXT,
    sender=TEXT,
    sender_name=TEXT,
    at=TEXT,
    data=st.dictionaries(TEXT, JSON, max_size=4),
    room=TEXT,
    user=st.none(),
    headers=st.dictionaries(TEXT, TEXT, max_size=3),
)

WHOLE: Mapping[str, object] = {
    "v": 1,
    "key": "k",
    "kind": "message.created",
    "room": "r",
    "sender": "ana",
    "sender_name": "Ana",
    "at": "2026-01-01T00:00:00.000Z",
    "data": {"text": "안녕"},
}


@given(event=EVENTS)
def test_an_event_comes_back_from_its_line(event: Event) -> None:
    line = event.line()

    assert b"\n" not in line
    assert read_line(line) == event


def test_an_event_for_one_user_has_no_room() -> None:
    event = read_line(orjson.dumps({**WHOLE, "room": None, "user": "bo"}))

    assert (event.room, event.user) == (None, "bo")
    assert event.audience == user_audience("bo") == "users.bo"
    assert b'"room"' not in event.line()
    assert read_line(event.line()) == event


def test_a_client_receives_the_event_with_its_id_and_without_headers() -> None:
    event = read_line(orjson.dumps({**WHOLE, "headers": {"x": "y"}}))

    body = orjson.loads(event.body(4096))

    assert body == {"id": to_id(4096), **WHOLE}
    assert next(iter(body)) == "id"
    assert event.audience == room_audience("r") == "rooms.r"


WRONG: list[dict[str, object]] = [
    {"v": 2},
    {"v": "1"},
    {"key": 7},
    {"key": None},
    {"kind": []},
    {"room": 7},
    {"room": ["r"]},
    {"user": "bo"},
    {"sender": {}},
    {"sender_name": None},
    {"at": 1_700_000_000},
    {"data": None},
    {"data": []},
    {"headers": "x: y"},
    {"headers": ["x"]},
]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"{",
        b"7",
        b"null",
        b'"text"',
        b"[]",
        b"{}",
        b'["v"]',
        *(orjson.dumps({k: v for k, v in WHOLE.items() if k != name}) for name in WHOLE),
        *(orjson.dumps({**WHOLE, **changes}) for changes in WRONG),
    ],
)
def test_a_line_that_is_no_event_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any; the reader sets the line aside
        read_line(line)
