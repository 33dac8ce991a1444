"""The time that a figure may take."""

import time

from bench.failure import BenchError

_PAUSE_SECONDS = 0.02


class Deadline:
    """A moment after which waiting is over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, waiting_for: str) -> float:
        """Return the seconds left; raise BenchError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise BenchError(f"no time left for {waiting_for}")
        return left

    def pause(self, waiting_for: str) -> None:
        """Let a moment pass before asking again."""
        time.sleep(min(_PAUSE_SECONDS, self.left(waiting_for)))
