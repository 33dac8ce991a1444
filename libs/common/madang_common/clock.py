"""Clocks as collaborators, so that tests can control the time."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], float]
"""Seconds: since the epoch where times are stored or sent (`time.time`), monotonic where only
durations matter (`time.monotonic`). The constructor's default shows which one is meant."""


def rfc3339(seconds: float) -> str:
    """Return `seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    return _format_milliseconds(int(seconds * 1000 + 0.5))


@lru_cache(maxsize=1)
def _format_milliseconds(milliseconds: int) -> str:
    """Return the whole text; under load many events have the same millisecond."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{_format_seconds(whole)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _format_seconds(seconds: int) -> str:
    """Return the part that all times of one second share."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
