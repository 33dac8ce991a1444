import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_common.log.position import position, shard_of
from madang_history.api.bodies import client_bodies, full_event, json_response
from madang_history.ingest.decode import decode_lines, note_departures
from madang_history.ingest.epoch import age_seconds

from .conftest import SHARDS, an_event

SHARD = shard_of("rooms.yard", SHARDS)


def test_an_entry_has_position_audience_sender_and_key() -> None:
    event = an_event("k1")

    found = decode_lines([Batch(3, (b"", event.line()))], SHARD, SHARDS, Departures(10))

    (entry,) = found.entries
    assert entry.position == position(3, 1)
    assert entry.event == event


def test_events_stay_in_the_logs_order() -> None:
    lines = [an_event(f"k{n}").line() for n in range(4)]

    found = decode_lines(
        [Batch(0, tuple(lines[:3])), Batch(1, tuple(lines[3:]))], SHARD, SHARDS, Departures(10)
    )

    assert [entry.event.line() for entry in found.entries] == lines
    assert [entry.position for entry in found.entries] == [0, 1, 2, 4096]


def test_an_event_for_one_user_belongs_to_that_user() -> None:
    event = an_event("k", room=None, user="bo")
    shard = shard_of("users.bo", SHARDS)

    found = decode_lines([Batch(0, (event.line(),))], shard, SHARDS, Departures(10))

    assert [entry.event.audience for entry in found.entries] == ["users.bo"]


def test_lines_that_are_not_events_become_dead_letters() -> None:
    document = orjson.loads(an_event("k").line())
    lines = (
        b"\xff",
        b"",
        b"{}",
        orjson.dumps({**document, "key": 7}),
        orjson.dumps({**document, "v": 99}),
        an_event("good").line(),
    )

    found = decode_lines([Batch(7, lines)], SHARD, SHARDS, Departures(10))

    assert [entry.event.key for entry in found.entries] == ["good"]
    assert [dead.position for dead in found.dead_letters] == [position(7, n) for n in range(5)]
    assert [dead.line for dead in found.dead_letters] == list(lines[:5])
    assert all(dead.reason for dead in found.dead_letters)


def nested(levels: int) -> bytes:
    """Return the line of an event with nested lists in its data."""
    inner = b"[" * levels + b"]" * levels
    return an_event("k", data={"x": 0}).line().replace(b'"x":0', b'"x":' + inner)


def test_a_line_that_cannot_be_serialized_becomes_a_dead_letter() -> None:
    # orjson reads deeper nesting than it writes.
    line = nested(500)
    read_line(line)

    found = decode_lines([Batch(0, (line, an_event("good").line()))], SHARD, SHARDS, Departures(10))

    assert [entry.event.key for entry in found.entries] == ["good"]
    assert "nested too deeply" in found.dead_letters[0].reason


@pytest.mark.parametrize("levels", [98, 200, *range(245, 256)])
def test_a_stored_line_can_be_returned(levels: int) -> None:
    found = decode_lines([Batch(0, (nested(levels),))], SHARD, SHARDS, Departures(10))

    for entry in found.entries:
        assert json_response({"items": client_bodies([entry])}).body
        assert full_event(entry)
    assert len(found.entries) + len(found.dead_letters) == 1


def test_brackets_in_text_are_not_nesting() -> None:
    event = an_event("k", data={"text": "[{" * 5000})

    assert (
        len(decode_lines([Batch(0, (event.line(),))], SHARD, SHARDS, Departures(10)).entries) == 1
    )


def test_a_line_that_is_too_large_becomes_a_dead_letter() -> None:
    event = an_event("k", data={"text": "x" * (8 << 20)})

    found = decode_lines([Batch(0, (event.line(),))], SHARD, SHARDS, Departures(10))

    assert not found.entries
    assert "more than 8388608 bytes" in found.dead_letters[0].reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            an_event("k", kind="message.edited", data={"text": "x" * (1 << 20)}),
            "more than 1048576 bytes",
        ),
        (an_event("k", kind="reaction.added", sender="x" * 257, data={}), "more than 256 bytes"),
    ],
)
def test_a_change_that_could_make_a_message_too_large_becomes_a_dead_letter(
    event: Event, reason: str
) -> None:
    found = decode_lines([Batch(0, (event.line(),))], SHARD, SHARDS, Departures(10))

    assert not found.entries
    assert reason in found.dead_letters[0].reason


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(["v", "key", "kind", "room", "user", "sender", "sender_name", "at", "data"]),
)
def test_any_line_is_an_event_or_a_dead_letter(value: object, name: str) -> None:
    document = orjson.loads(an_event("k").line()) | {name: value}
    lines = (json.dumps(document).encode(), json.dumps(value).encode(), b'"\\ud800"')

    found = decode_lines([Batch(0, lines)], SHARD, SHARDS, Departures(10))

    assert len(found.entries) + len(found.dead_letters) == len(lines)
    for entry in found.entries:
        assert client_bodies([entry])
        age_seconds(Batch(0, (entry.event.line(),)), 0.0)


def test_an_event_on_the_wrong_shard_becomes_a_dead_letter() -> None:
    found = decode_lines([Batch(0, (an_event("k").line(),))], 1 - SHARD, SHARDS, Departures(10))

    assert not found.entries
    assert "does not belong to shard" in found.dead_letters[0].reason


def removal(user: str = "ana") -> bytes:
    return an_event("gone", kind="member.removed", sender="owner", data={"user": user}).line()


def test_messages_after_the_removal_of_their_sender_are_dropped() -> None:
    departures = Departures(10)
    lines = (an_event("before").line(), removal(), an_event("behind").line())

    found = decode_lines([Batch(0, lines)], SHARD, SHARDS, departures)
    later = decode_lines([Batch(1, (an_event("later").line(),))], SHARD, SHARDS, departures)

    assert [entry.event.key for entry in found.entries] == ["before", "gone"]
    assert (found.barred, later.barred, later.entries) == (1, 1, [])


def test_departures_in_stored_batches_are_seen() -> None:
    departures = Departures(10)

    note_departures(Batch(0, (b"no event", removal())), departures)

    found = decode_lines([Batch(1, (an_event("behind").line(),))], SHARD, SHARDS, departures)
    assert found.barred == 1


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(an_event("k", room="r" * 66_000), id="a long room"),
        pytest.param(an_event("k", room=None, user="u" * 66_000), id="a long user"),
        pytest.param(an_event("k", sender_name="n" * 66_000), id="a long name"),
    ],
)
def test_an_event_with_longer_ids_than_a_store_accepts_becomes_a_dead_letter(event: Event) -> None:

    found = decode_lines([Batch(0, (event.line(),))], 0, 1, Departures(10))

    assert found.entries == []
    assert "ids and names have more than 65536 bytes" in found.dead_letters[0].reason


def test_an_event_that_is_larger_than_its_line_becomes_a_dead_letter() -> None:
    numbers = b"[%b]" % b",".join([b"1e15"] * 500_000)
    line = an_event("k", data={"text": "a", "n": "NUMBERS"}).line().replace(b'"NUMBERS"', numbers)

    found = decode_lines([Batch(0, (line,))], 0, 1, Departures(10))

    assert len(line) < 4 << 20
    assert found.entries == []
    assert "more than 8388608 bytes" in found.dead_letters[0].reason
