from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang_common.clock import rfc3339


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.25, "2023-11-14T22:13:20.250Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:21.000Z"),
    ],
)
def test_times_are_formatted_with_milliseconds(seconds: float, written: str) -> None:
    assert rfc3339(seconds) == written


@given(st.integers(0, 4_000_000_000_000))
def test_a_formatted_time_parses_to_the_same(milliseconds: int) -> None:
    read = datetime.fromisoformat(rfc3339(milliseconds / 1000)).astimezone(UTC)

    assert round(read.timestamp() * 1000) == milliseconds
