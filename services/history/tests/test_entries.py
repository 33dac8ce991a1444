import orjson

from madang_common.log.port import Batch
from madang_common.log.position import position, shard_of
from madang_history.entries import sort_lines

from .conftest import SHARDS, an_event

SHARD = shard_of("rooms.yard", SHARDS)


def test_an_event_is_found_by_its_position_audience_sender_and_key() -> None:
    event = an_event("k1")

    found = sort_lines([Batch(3, (b"", event.line()))], SHARD, SHARDS)

    (entry,) = found.entries
    assert entry.position == position(3, 1)
    assert (entry.audience, entry.sender, entry.key) == ("rooms.yard", "ana", "k1")
    assert (entry.kind, entry.line) == ("message.created", event.line())


def test_events_stay_in_the_logs_order() -> None:
    lines = [an_event(f"k{n}").line() for n in range(4)]

    found = sort_lines([Batch(0, tuple(lines[:3])), Batch(1, tuple(lines[3:]))], SHARD, SHARDS)

    assert [entry.line for entry in found.entries] == lines
    assert [entry.position for entry in found.entries] == [0, 1, 2, 4096]


def test_an_event_for_one_user_belongs_to_that_user() -> None:
    event = an_event("k", room=None, user="bo")
    shard = shard_of("users.bo", SHARDS)

    found = sort_lines([Batch(0, (event.line(),))], shard, SHARDS)

    assert [entry.audience for entry in found.entries] == ["users.bo"]


def test_lines_that_are_no_events_are_told_apart() -> None:
    document = orjson.loads(an_event("k").line())
    lines = (
        b"\xff",
        b"",
        b"{}",
        orjson.dumps({**document, "key": 7}),
        orjson.dumps({**document, "v": 99}),
        an_event("good").line(),
    )

    found = sort_lines([Batch(7, lines)], SHARD, SHARDS)

    assert [entry.key for entry in found.entries] == ["good"]
    assert [dead.position for dead in found.dead] == [position(7, n) for n in range(5)]
    assert [dead.line for dead in found.dead] == list(lines[:5])
    assert all(dead.reason for dead in found.dead)


def test_an_event_on_the_wrong_shard_is_none() -> None:
    found = sort_lines([Batch(0, (an_event("k").line(),))], 1 - SHARD, SHARDS)

    assert not found.entries
    assert "does not belong to shard" in found.dead[0].reason
