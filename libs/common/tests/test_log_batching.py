import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.log.batching import BatchLimits, Waiting
from madang_common.log.position import MAX_LINES


def drained(waiting: Waiting[int]) -> list[tuple[tuple[bytes, ...], list[int]]]:
    batches = []
    while waiting:
        batches.append(waiting.take())
    return batches


def test_what_waits_goes_together() -> None:
    waiting: Waiting[str] = Waiting(BatchLimits())
    waiting.add(b"a", "first")
    waiting.add(b"b", "second")

    assert waiting.take() == ((b"a", b"b"), ["first", "second"])
    assert len(waiting) == waiting.bytes == 0


def test_a_batch_holds_only_so_many_lines() -> None:
    waiting: Waiting[int] = Waiting(BatchLimits(lines=2))
    for n in range(5):
        waiting.add(b"%d" % n, n)

    assert [tags for _, tags in drained(waiting)] == [[0, 1], [2, 3], [4]]


def test_a_batch_holds_only_so_many_bytes_line_breaks_included() -> None:
    waiting: Waiting[int] = Waiting(BatchLimits(bytes=8))
    for n in range(3):
        waiting.add(b"xxx", n)

    assert [tags for _, tags in drained(waiting)] == [[0, 1], [2]]


def test_a_line_larger_than_a_batch_goes_alone() -> None:
    waiting: Waiting[int] = Waiting(BatchLimits(bytes=4))
    waiting.add(b"much too long", 1)
    waiting.add(b"x", 2)

    assert [tags for _, tags in drained(waiting)] == [[1], [2]]


def test_lines_that_go_together_are_never_parted() -> None:
    waiting: Waiting[int] = Waiting(BatchLimits(lines=3, bytes=100))
    waiting.add(b"a", 1)
    waiting.add(b"b", 2)
    waiting.add_together((b"c", b"d"), 3)
    waiting.add_together((b"e",), 4)
    waiting.add_together((b"x" * 50, b"y" * 48), 5)

    assert waiting.bytes == 103
    assert waiting.take() == ((b"a", b"b"), [1, 2])
    assert waiting.take() == ((b"c", b"d", b"e"), [3, 4])
    assert waiting.take() == ((b"x" * 50, b"y" * 48), [5])
    assert len(waiting) == waiting.bytes == 0


def test_what_came_much_later_waits_for_the_next_batch_if_asked_to() -> None:
    waiting: Waiting[int] = Waiting(BatchLimits())
    for tag, at in enumerate((5.0, 5.5, 6.0, 6.5)):
        waiting.add(b"a", tag, at)
    waiting.add_together((b"b", b"c"), 4, 6.6)

    assert waiting.oldest_at == 5.0
    assert waiting.take(within_seconds=1) == ((b"a",) * 3, [0, 1, 2])
    assert waiting.oldest_at == 6.5
    assert waiting.take(within_seconds=0) == ((b"a",), [3])
    assert waiting.take() == ((b"b", b"c"), [4])


@given(
    lines=st.lists(st.binary(max_size=20)), most=st.integers(1, 5), most_bytes=st.integers(1, 30)
)
def test_nothing_is_lost_or_reordered(lines: list[bytes], most: int, most_bytes: int) -> None:
    waiting: Waiting[int] = Waiting(BatchLimits(lines=most, bytes=most_bytes))
    for n, line in enumerate(lines):
        waiting.add(line, n)

    batches = drained(waiting)

    assert [line for batch, _ in batches for line in batch] == lines
    assert [tag for _, tags in batches for tag in tags] == list(range(len(lines)))
    assert all(len(batch) <= most for batch, _ in batches)
    assert all(
        len(batch) == 1 or sum(map(len, batch)) + len(batch) <= most_bytes for batch, _ in batches
    )
    assert waiting.bytes == 0


@pytest.mark.parametrize(("lines", "size"), [(0, 1), (MAX_LINES + 1, 1), (1, 0)])
def test_limits_that_positions_cannot_express_are_refused(lines: int, size: int) -> None:
    with pytest.raises(ValueError, match="a batch holds"):
        BatchLimits(lines=lines, bytes=size)
