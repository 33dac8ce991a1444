"""Bounds that hold under every attack."""

from tests.attacks.attack import Outcome

TOO_FAST = 4529
SLOW_CONSUMER = 4508
_LONGEST_SECONDS = 2.5
"""Far above the goal, because tests share few cores. A stall takes longer, or never ends."""
_FACTOR = 5
"""On a busy machine everyone waits, with and without an attack."""
_MEMORY_BYTES = 32_000_000


def unnoticed(outcome: Outcome, *, memory_bytes: int = _MEMORY_BYTES) -> None:
    """Fail if the victims waited too long, lost a message, or if the product's memory grew."""
    assert outcome.waits.unanswered == 0, outcome
    assert outcome.waits.p99 <= max(_LONGEST_SECONDS, _FACTOR * outcome.quiet.p99), outcome
    assert outcome.memory.growth < memory_bytes, outcome
