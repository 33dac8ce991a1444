import pytest

from madang_common.problems import InvalidRequest
from madang_rooms.services.paging import page, read_cursor, write_cursor


@pytest.mark.parametrize("key", ["", "0", "a" * 24, "a_b.c"])
def test_a_cursor_round_trips(key: str) -> None:
    assert read_cursor(write_cursor(key)) == key


@pytest.mark.parametrize("cursor", ["!", "a", "a b", "가", "_w", "YQ==="])
def test_an_invalid_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        read_cursor(cursor)


def test_the_last_page_has_no_next() -> None:
    rows = ["a", "b", "c"]

    assert page(rows, 3, str, str).next is None
    assert page(rows, 2, str, str).items == ["a", "b"]
    assert read_cursor(page(rows, 2, str, str).next) == "b"
    assert page([], 2, str, str).next is None
