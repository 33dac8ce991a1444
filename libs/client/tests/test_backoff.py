import random

from hypothesis import given
from hypothesis import strategies as st

from madang_client.backoff import Backoff


def test_the_bound_doubles_up_to_the_cap_and_a_reset_restores_it() -> None:
    backoff = Backoff(1, 10, lambda: 0.5)

    grown = [backoff.next_seconds() for _ in range(6)]
    backoff.reset()

    assert grown == [0.5, 1, 2, 4, 5, 5]
    assert backoff.next_seconds() == 0.5


@given(st.integers(0, 2**32), st.floats(0, 100))
def test_delays_are_between_retry_after_and_the_bound_above_it(
    seed: int, retry_after: float
) -> None:
    backoff = Backoff(1, 8, random.Random(seed).random)

    delays = [backoff.next_seconds(retry_after) for _ in range(10)]

    bounds = [1, 2, 4, 8, 8, 8, 8, 8, 8, 8]
    assert all(
        retry_after <= d <= retry_after + bound for d, bound in zip(delays, bounds, strict=True)
    )
