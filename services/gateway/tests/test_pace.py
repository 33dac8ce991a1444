from madang_gateway.pace import Pace


def test_so_many_at_once_then_so_many_per_second() -> None:
    pace = Pace(per_second=10, burst=3)
    pace.left -= 3
    assert pace.rests

    assert not pace.tick(0.05)
    assert pace.tick(0.05)
    assert pace.left >= 1
    assert not pace.tick(100)
    assert pace.left == 3
