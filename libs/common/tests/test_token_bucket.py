import pytest

from madang_common.token_bucket import Buckets, Rate


def test_a_full_bucket_allows_a_burst_and_no_more() -> None:
    bucket = Rate(per_second=2, burst=3).bucket()

    taken = [bucket.take(100) for _ in range(4)]

    assert taken == [0, 0, 0, 0.5]


def test_a_bucket_refills_at_its_rate() -> None:
    bucket = Rate(per_second=2, burst=3).bucket()
    for _ in range(3):
        bucket.take(100)

    assert bucket.take(100.25) == pytest.approx(0.25)
    assert bucket.take(100.5) == 0
    assert bucket.take(100.5) == pytest.approx(0.5)


def test_a_bucket_never_exceeds_its_burst() -> None:
    bucket = Rate(per_second=2, burst=3).bucket()
    bucket.take(100)

    taken = [bucket.take(1_000_000) for _ in range(4)]

    assert taken == [0, 0, 0, 0.5]


def test_a_refused_take_costs_nothing() -> None:
    bucket = Rate(per_second=1, burst=1).bucket()
    bucket.take(100)

    for at in (100.2, 100.4, 100.8):
        assert bucket.take(at) > 0

    assert bucket.take(101) == 0


def test_each_subject_has_its_own_bucket() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), capacity=10)

    taken = [buckets.of(subject).take(100) for subject in ("mina", "jun", "mina")]

    assert taken == [0, 0, 1]


def test_an_evicted_subject_gets_a_full_bucket() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), capacity=4)
    buckets.of("mina").take(100)
    for number in range(10):
        buckets.of(f"another {number}").take(100)

    assert buckets.of("mina").take(100) == 0
