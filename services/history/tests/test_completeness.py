import pytest

from madang_common.log.position import position
from madang_history.store.completeness import beyond, lost_after
from madang_history.store.port import Hole

HOLE = Hole(first=10, after=20)


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        pytest.param(-1, True, id="from the beginning"),
        pytest.param(position(9, 0), True, id="before the hole"),
        pytest.param(position(15, 3), True, id="in the hole"),
        pytest.param(position(19, 4094), True, id="one before its last position"),
        pytest.param(position(20, 0) - 1, False, id="at its last position"),
        pytest.param(position(20, 0), False, id="after it"),
    ],
)
def test_a_hole_loses_what_comes_after_a_position_before_its_end(after: int, *, lost: bool) -> None:
    assert lost_after(after, [HOLE]) == lost


def test_any_hole_counts_and_none_loses_nothing() -> None:
    assert not lost_after(-1, [])
    assert lost_after(position(25, 0), [HOLE, Hole(30, 31)])


def test_a_log_never_had_positions_from_its_end_on() -> None:
    assert not beyond(-1, 0)
    assert beyond(position(0, 0), 0)
    assert not beyond(position(5, 0) - 1, 5)
    assert beyond(position(5, 0), 5)
