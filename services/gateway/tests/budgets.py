"""Budgets for tests: plenty of everything, but for what a test names."""

import time
from typing import Any

from madang_common.clock import MonotonicClock
from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Allowances, Budget

PLENTY = Rate(1e9, 1e9)


def budget(clock: MonotonicClock = time.monotonic, **changes: Any) -> Budget:
    """Return a budget of which nobody sees the end, its allowances changed as given."""
    given: dict[str, Any] = {
        "connection": PLENTY,
        "user": PLENTY,
        "address": PLENTY,
        "before_connected": 1e9,
        "connection_bytes": 1 << 40,
        "user_bytes": 1 << 40,
        "address_bytes": 1 << 40,
    }
    return Budget(Allowances(**(given | changes)), clock)
