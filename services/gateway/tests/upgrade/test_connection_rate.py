"""The rate limit of new connections, and the retry times of refused clients."""

import math

import pytest

from madang_gateway.upgrade.connection_rate import ConnectionRate


def even() -> float:
    return 0.5


def test_without_a_limit_all_connections_are_accepted() -> None:
    arrivals = ConnectionRate(0, even)

    assert [arrivals.take(100.0) for _ in range(10_000)] == [0.0] * 10_000


def test_a_burst_is_accepted_then_the_rate_applies() -> None:
    arrivals = ConnectionRate(100, even)

    assert sum(arrivals.take(50.0) == 0 for _ in range(150)) == 100
    assert sum(arrivals.take(50.5) == 0 for _ in range(150)) == 50


def test_rates_below_one_per_second_work() -> None:
    arrivals = ConnectionRate(0.5, even)

    assert arrivals.take(10.0) == 0
    assert arrivals.take(11.9) > 0
    assert arrivals.take(12.0) == 0


@pytest.mark.parametrize("per_second", [100, 1_000])
def test_a_connect_storm_is_accepted_at_the_rate(per_second: int) -> None:
    """All connect at once, and retry after Retry-After, in whole seconds."""
    crowd = 10 * per_second
    arrivals = ConnectionRate(per_second, even)
    attempts = taken = second = 0
    coming = {0: crowd}
    while coming:
        for at in range(coming.pop(second, 0)):
            attempts += 1
            again = arrivals.take(second + at / crowd)
            if again:
                back = second + math.ceil(again)
                coming[back] = coming.get(back, 0) + 1
            else:
                taken += 1
        second += 1

    assert taken == crowd
    assert second <= 16
    assert attempts < 4 * crowd


def test_the_retry_time_is_randomized_and_bounded() -> None:
    def last_of(chance: float, crowd: int) -> float:
        arrivals = ConnectionRate(10, lambda: chance)
        return [arrivals.take(7.0) for _ in range(crowd)][-1]

    assert last_of(0.5, 60) == pytest.approx(5.1)
    assert last_of(0.0, 60) == pytest.approx(0.75 * 5.1)
    assert last_of(1.0, 60) == pytest.approx(1.25 * 5.1)
    assert last_of(0.5, 100_000) == 30


def test_old_refusals_do_not_delay_new_clients() -> None:
    arrivals = ConnectionRate(10, even)
    for _ in range(100):
        arrivals.take(0.0)

    later = [arrivals.take(60.0) for _ in range(11)]

    assert later == [0.0] * 10 + [pytest.approx(0.2)]
