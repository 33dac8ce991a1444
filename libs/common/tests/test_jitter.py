from madang_common.jitter import jitter


def test_a_pause_is_spread_between_its_bounds() -> None:
    pauses = [jitter(10, least=0.5, most=1.2) for _ in range(1000)]

    assert 5 <= min(pauses) < 6
    assert 11 < max(pauses) <= 12


def test_a_pause_is_at_most_itself_by_default() -> None:
    assert all(jitter(10, least=0.9) <= 10 for _ in range(100))
