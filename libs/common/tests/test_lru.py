"""What is used stays; what is not goes."""

from hypothesis import given
from hypothesis import strategies as st

from madang_common.lru import Lru


def test_what_was_put_is_remembered() -> None:
    cache: Lru[str, int] = Lru(10)
    cache.put("a", 1)
    cache.put("a", 2)

    assert cache.get("a") == 2
    assert cache.get("b") is None


def test_what_is_used_outlasts_what_is_not() -> None:
    cache: Lru[str, int] = Lru(4)
    cache.put("used", 1)
    cache.put("unused", 2)
    for number in range(10):
        cache.put(f"other {number}", number)
        assert cache.get("used") == 1

    assert cache.get("unused") is None


def test_what_is_forgotten_is_gone_from_both_generations() -> None:
    cache: Lru[str, int] = Lru(4)
    for name in ("a", "b", "c"):
        cache.put(name, 1)

    for name in ("a", "b", "c"):
        cache.discard(name)
        assert cache.get(name) is None
    assert len(cache) == 0


def test_clear_forgets_everything() -> None:
    cache: Lru[int, int] = Lru(4)
    for number in range(4):
        cache.put(number, number)

    cache.clear()

    assert [cache.get(number) for number in range(4)] == [None] * 4


@given(st.integers(2, 8), st.lists(st.integers(0, 12)))
def test_it_is_bounded_and_keeps_what_was_used_last(count: int, used: list[int]) -> None:
    cache: Lru[int, int] = Lru(count)
    for number in used:
        if cache.get(number) is None:
            cache.put(number, number)
        assert len(cache) <= count

    last = dict.fromkeys(reversed(used))
    assert all(cache.get(number) == number for number in list(last)[: count // 2])
