from hypothesis import given
from hypothesis import strategies as st

from madang_auth.throttle.bucket import Limit, Refused, Taken, give_back, take

LIMIT = Limit(count=3, seconds=30)


def test_a_bucket_allows_its_count_at_once_and_then_one_per_interval() -> None:
    drained_at: float | None = None
    for _ in range(3):
        outcome = take(drained_at, LIMIT, 100)
        assert isinstance(outcome, Taken)
        drained_at = outcome.drained_at

    assert take(drained_at, LIMIT, 100) == Refused(10)
    assert take(drained_at, LIMIT, 109) == Refused(1)
    assert take(drained_at, LIMIT, 110) == Taken(140)


def test_a_take_that_is_given_back_can_be_taken_again() -> None:
    full = 130.0

    assert isinstance(take(full, LIMIT, 100), Refused)
    assert take(give_back(full, LIMIT), LIMIT, 100) == Taken(full)


@given(st.integers(1, 50), st.floats(0.1, 1e5), st.lists(st.floats(0, 1e5), max_size=200))
def test_no_window_has_more_than_twice_the_count(
    count: int, seconds: float, moments: list[float]
) -> None:
    limit = Limit(count, seconds)
    drained_at: float | None = None
    taken: list[float] = []
    for now in sorted(1.8e9 + moment for moment in moments):
        outcome = take(drained_at, limit, now)
        if isinstance(outcome, Taken):
            drained_at = outcome.drained_at
            taken.append(now)

    for start in taken:
        assert sum(start <= now < start + seconds for now in taken) <= 2 * count


@given(st.integers(1, 50), st.floats(0.1, 1e5))
def test_a_take_after_the_returned_wait_succeeds(count: int, seconds: float) -> None:
    limit = Limit(count, seconds)
    now = 1.8e9
    drained_at: float | None = None
    while isinstance(outcome := take(drained_at, limit, now), Taken):
        drained_at = outcome.drained_at

    assert isinstance(take(drained_at, limit, now + outcome.wait_seconds), Taken)
