"""Random pauses, so that processes that failed or started together do not retry together.

For pauses outside of a retry loop of tenacity, which has its own.
"""

import random


def jitter(seconds: float, *, least: float, most: float = 1.0) -> float:
    """Return `seconds` times a random factor between `least` and `most`."""
    return seconds * random.uniform(least, most)  # noqa: S311 - spreads load
