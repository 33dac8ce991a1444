"""The time, as a collaborator, so that a test can hold it still."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Seconds since the epoch, as `time.time` gives them."""


def rfc3339(seconds: float) -> str:
    """Return `seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    written = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")
