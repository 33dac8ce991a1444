"""What is used stays; what is not goes."""

from hypothesis import given
from hypothesis import strategies as st

from madang_common.lru import Lru


def test_what_was_put_is_remembered() -> None:
    memory: Lru[str, int] = Lru(10)
    memory.put("a", 1)
    memory.put("a", 2)

    assert memory.get("a") == 2
    assert memory.get("b") is None


def test_what_is_used_outlasts_what_is_not() -> None:
    memory: Lru[str, int] = Lru(4)
    memory.put("used", 1)
    memory.put("unused", 2)
    for number in range(10):
        memory.put(f"other {number}", number)
        assert memory.get("used") == 1

    assert memory.get("unused") is None


def test_what_is_forgotten_is_gone_from_both_generations() -> None:
    memory: Lru[str, int] = Lru(4)
    for name in ("a", "b", "c"):
        memory.put(name, 1)

    for name in ("a", "b", "c"):
        memory.forget(name)
        assert memory.get(name) is None
    assert len(memory) == 0


def test_clear_forgets_everything() -> None:
    memory: Lru[int, int] = Lru(4)
    for number in range(4):
        memory.put(number, number)

    memory.clear()

    assert [memory.get(number) for number in range(4)] == [None] * 4


@given(st.integers(2, 8), st.lists(st.integers(0, 12)))
def test_it_is_bounded_and_keeps_what_was_used_last(count: int, used: list[int]) -> None:
    memory: Lru[int, int] = Lru(count)
    for number in used:
        if memory.get(number) is None:
            memory.put(number, number)
        assert len(memory) <= count

    last = dict.fromkeys(reversed(used))
    assert all(memory.get(number) == number for number in list(last)[: count // 2])
