import pytest

from madang_common.log.position import position
from madang_history.store.completeness import has_gap_after, is_beyond_end
from madang_history.store.port import Gap

HOLE = Gap(first=10, after=20)


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        pytest.param(-1, True, id="from the beginning"),
        pytest.param(position(9, 0), True, id="before the gap"),
        pytest.param(position(15, 3), True, id="in the gap"),
        pytest.param(position(19, 4094), True, id="one before its last position"),
        pytest.param(position(20, 0) - 1, False, id="at its last position"),
        pytest.param(position(20, 0), False, id="after it"),
    ],
)
def test_a_gap_loses_events_after_a_position_before_its_end(after: int, *, lost: bool) -> None:
    assert has_gap_after(after, [HOLE]) == lost


def test_any_gap_counts_and_no_gap_loses_nothing() -> None:
    assert not has_gap_after(-1, [])
    assert has_gap_after(position(25, 0), [HOLE, Gap(30, 31)])


def test_positions_from_the_end_on_are_beyond_the_log() -> None:
    assert not is_beyond_end(-1, 0)
    assert is_beyond_end(position(0, 0), 0)
    assert not is_beyond_end(position(5, 0) - 1, 5)
    assert is_beyond_end(position(5, 0), 5)
