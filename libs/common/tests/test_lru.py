from hypothesis import given
from hypothesis import strategies as st

from madang_common.lru import Lru


def test_a_value_can_be_read_back() -> None:
    cache: Lru[str, int] = Lru(10)
    cache.put("a", 1)
    cache.put("a", 2)

    assert cache.get("a") == 2
    assert cache.get("b") is None


def test_used_entries_outlast_unused_ones() -> None:
    cache: Lru[str, int] = Lru(4)
    cache.put("used", 1)
    cache.put("unused", 2)
    for number in range(10):
        cache.put(f"other {number}", number)
        assert cache.get("used") == 1

    assert cache.get("unused") is None


def test_discard_removes_recent_and_older_entries() -> None:
    cache: Lru[str, int] = Lru(4)
    for name in ("a", "b", "c"):
        cache.put(name, 1)

    for name in ("a", "b", "c"):
        cache.discard(name)
        assert cache.get(name) is None
    assert len(cache) == 0


def test_clear_removes_everything() -> None:
    cache: Lru[int, int] = Lru(4)
    for number in range(4):
        cache.put(number, number)

    cache.clear()

    assert [cache.get(number) for number in range(4)] == [None] * 4


@given(st.integers(2, 8), st.lists(st.integers(0, 12)))
def test_the_size_is_bounded_and_the_last_used_entries_stay(count: int, used: list[int]) -> None:
    cache: Lru[int, int] = Lru(count)
    for number in used:
        if cache.get(number) is None:
            cache.put(number, number)
        assert len(cache) <= count

    last = dict.fromkeys(reversed(used))
    assert all(cache.get(number) == number for number in list(last)[: count // 2])
