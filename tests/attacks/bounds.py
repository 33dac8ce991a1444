"""What holds under every attack."""

from tests.attacks.attack import Outcome

TOO_FAST = 4529
SLOW_CONSUMER = 4508
_LONGEST_SECONDS = 2.5
"""Far above the goal, as tests run beside others on few cores. A stall takes longer, or no end."""
_FACTOR = 5
"""A busy machine makes everybody wait, with an attack and without."""
_MEMORY_BYTES = 32_000_000


def unnoticed(outcome: Outcome, *, memory_bytes: int = _MEMORY_BYTES) -> None:
    """Fail if others waited long or in vain, or if the product took much more memory."""
    assert outcome.waits.unanswered == 0, outcome
    assert outcome.waits.p99 <= max(_LONGEST_SECONDS, _FACTOR * outcome.quiet.p99), outcome
    assert outcome.memory.growth < memory_bytes, outcome
