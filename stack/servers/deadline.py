"""Polling with a deadline."""

import time
from collections.abc import Callable

_PAUSE_SECONDS = 0.02


def wait_until(true: Callable[[], bool], *, seconds: float) -> bool:
    """Ask until the answer is true, and return it; false if that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True
