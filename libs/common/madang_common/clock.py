"""The time, as a collaborator, so that a test can hold it still."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], float]
"""Seconds since the epoch, as `time.time` gives them."""


def rfc3339(seconds: float) -> str:
    """Return `seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    return _to_the_millisecond(int(seconds * 1000 + 0.5))


@lru_cache(maxsize=1)
def _to_the_millisecond(milliseconds: int) -> str:
    """Return what is the same for all that happens at one time, as much does under load."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(whole)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    """Return the part that is the same for all that happens within one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
