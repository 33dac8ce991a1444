import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.log.position import (
    MAX_LINES,
    from_id,
    offset_of,
    position,
    shard_of,
    to_id,
)

OFFSETS = st.integers(0, (1 << 48) - 1)
LINES = st.integers(0, MAX_LINES - 1)


@given(offset=OFFSETS, line=LINES)
def test_an_id_round_trips_to_offset_and_line(offset: int, line: int) -> None:
    event_id = to_id(position(offset, line))

    assert len(event_id) == 12
    found = from_id(event_id)
    assert (offset_of(found), found % MAX_LINES) == (offset, line)


@given(one=st.tuples(OFFSETS, LINES), other=st.tuples(OFFSETS, LINES))
def test_ids_sort_as_text_like_the_events_in_the_log(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (to_id(position(*one)) < to_id(position(*other))) == (one < other)


def test_the_first_event_has_the_smallest_id() -> None:
    assert to_id(position(0, 0)) == "000000000000"
    assert to_id(position(1, 0)) == "000000000400"


@pytest.mark.parametrize("text", ["", "0", "0" * 11, "0" * 13, "w" * 12, "A" * 12, "-00000000001"])
def test_a_malformed_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        from_id(text)


def test_a_position_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        to_id(1 << 60)


def test_the_shard_of_an_audience_never_changes() -> None:
    # Stored events are found by this: another answer would lose them.
    assert [shard_of(f"rooms.{n}", 4) for n in range(8)] == [0, 2, 0, 2, 1, 3, 1, 3]
    assert shard_of("users.마당", 16) == shard_of("users.마당", 16)


@given(audience=st.text(max_size=64), shards=st.integers(1, 64))
def test_every_audience_has_a_shard(audience: str, shards: int) -> None:
    assert 0 <= shard_of(audience, shards) < shards
