"""The two clocks, as collaborators that a test can replace, and times as text."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

_SECONDS_LENGTH = len("2026-01-31T09:00:00")

Clock = Callable[[], float]
"""Wall clock: seconds since the epoch, as `time.time` returns them.

For times that are written down or compared with the times of other machines.
"""

MonotonicClock = Callable[[], float]
"""Monotonic clock: seconds since an arbitrary moment, as `time.monotonic` returns them.

For durations, deadlines and ages within one process; never written down.
"""


def rfc3339(seconds: float) -> str:
    """Return `seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    return _format_milliseconds(int(seconds * 1000 + 0.5))


@lru_cache(maxsize=1)
def _format_milliseconds(milliseconds: int) -> str:
    """Return the time as text; cached because many events have the same time under load."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{_format_seconds(whole)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _format_seconds(seconds: int) -> str:
    """Return the time without its milliseconds; cached for all times of one second."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:_SECONDS_LENGTH]
