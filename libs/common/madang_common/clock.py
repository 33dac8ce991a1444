"""The time, as a collaborator, so that a test can hold it still."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], float]
"""Seconds since the epoch, as `time.time` gives them."""


def rfc3339(seconds: float) -> str:
    """Return `seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{_to_the_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    """Return the part that is the same for all that happens within one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
