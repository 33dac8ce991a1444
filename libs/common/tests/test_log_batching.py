import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.log.batching import BatchLimits, BatchQueue
from madang_common.log.position import MAX_LINES


def add(queue: BatchQueue[int], lines: tuple[bytes, ...], tag: int, at: float = 0.0) -> None:
    queue.add(lines, sum(map(len, lines)), tag, at)


def drained(queue: BatchQueue[int]) -> list[tuple[tuple[bytes, ...], list[int]]]:
    batches = []
    while queue:
        batches.append(queue.take())
    return batches


def test_all_waiting_lines_go_into_one_batch() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits())
    add(queue, (b"a",), 1)
    add(queue, (b"b",), 2)

    assert queue.take() == ((b"a", b"b"), [1, 2])
    assert len(queue) == queue.bytes == 0


def test_a_batch_has_a_limit_of_lines() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(lines=2))
    for n in range(5):
        add(queue, (b"%d" % n,), n)

    assert [tags for _, tags in drained(queue)] == [[0, 1], [2, 3], [4]]


def test_a_batch_has_a_limit_of_bytes_line_breaks_included() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(bytes=8))
    for n in range(3):
        add(queue, (b"xxx",), n)

    assert [tags for _, tags in drained(queue)] == [[0, 1], [2]]


def test_a_line_larger_than_a_batch_goes_alone() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(bytes=4))
    add(queue, (b"much too long",), 1)
    add(queue, (b"x",), 2)

    assert [tags for _, tags in drained(queue)] == [[1], [2]]


def test_lines_of_one_entry_are_never_split() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(lines=3, bytes=100))
    add(queue, (b"a",), 1)
    add(queue, (b"b",), 2)
    add(queue, (b"c", b"d"), 3)
    add(queue, (b"e",), 4)
    add(queue, (b"x" * 50, b"y" * 48), 5)

    assert queue.bytes == 103
    assert queue.take() == ((b"a", b"b"), [1, 2])
    assert queue.take() == ((b"c", b"d", b"e"), [3, 4])
    assert queue.take() == ((b"x" * 50, b"y" * 48), [5])
    assert len(queue) == queue.bytes == 0


def test_entries_added_later_than_allowed_wait_for_the_next_batch() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits())
    for tag, at in enumerate((5.0, 5.5, 6.0, 6.5)):
        add(queue, (b"a",), tag, at)
    add(queue, (b"b", b"c"), 4, 6.6)

    assert queue.oldest_at == 5.0
    assert queue.take(within_seconds=1) == ((b"a",) * 3, [0, 1, 2])
    assert queue.oldest_at == 6.5
    assert queue.take(within_seconds=0) == ((b"a",), [3])
    assert queue.take() == ((b"b", b"c"), [4])


@given(
    lines=st.lists(st.binary(max_size=20)), most=st.integers(1, 5), most_bytes=st.integers(1, 30)
)
def test_nothing_is_lost_or_reordered(lines: list[bytes], most: int, most_bytes: int) -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(lines=most, bytes=most_bytes))
    for n, line in enumerate(lines):
        add(queue, (line,), n)

    batches = drained(queue)

    assert [line for batch, _ in batches for line in batch] == lines
    assert [tag for _, tags in batches for tag in tags] == list(range(len(lines)))
    assert all(len(batch) <= most for batch, _ in batches)
    assert all(
        len(batch) == 1 or sum(map(len, batch)) + len(batch) <= most_bytes for batch, _ in batches
    )
    assert queue.bytes == 0


@pytest.mark.parametrize(("lines", "size"), [(0, 1), (MAX_LINES + 1, 1), (1, 0)])
def test_limits_that_positions_cannot_express_are_refused(lines: int, size: int) -> None:
    with pytest.raises(ValueError, match="a batch holds"):
        BatchLimits(lines=lines, bytes=size)
