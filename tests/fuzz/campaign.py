"""A property tried in rounds, each with a seed of its own, for as long as there is time."""

import itertools
import os
import time
from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, settings

SEED = int(os.environ.get("FUZZ_SEED", "1"))
"""Where the first round begins; the same seed finds the same."""
SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
"""Time for all tests here together; 0 is one round of each."""
_HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

Property = Callable[[], None]
"""The decorator that `given` returns."""


class Campaign:
    """One test's share of the time."""

    def __init__(self, seconds: float) -> None:
        """Begin rounds for so many seconds."""
        self._until = time.monotonic() + seconds

    def run(self, tried: Property, *, examples: int) -> None:
        """Try a property with `examples` in each round; the first round takes place anyway."""
        limited = settings(max_examples=examples, database=None, suppress_health_check=_HEALTH)(
            tried
        )
        for number in itertools.count(SEED):
            try:
                hypothesis.seed(number)(limited)()
            except BaseException as failure:
                failure.add_note(f"FUZZ_SEED={number}")
                raise
            if time.monotonic() >= self._until:
                return
