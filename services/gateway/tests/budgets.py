"""A budget without limits, except for those that a test sets."""

import time
from typing import Any

from madang_common.clock import MonotonicClock
from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Allowances, Budget

_UNLIMITED = Rate(1e9, 1e9)


def unlimited_budget(clock: MonotonicClock = time.monotonic, **changes: Any) -> Budget:
    """Return a budget without limits, its allowances changed as given."""
    given: dict[str, Any] = {
        "connection": _UNLIMITED,
        "user": _UNLIMITED,
        "address": _UNLIMITED,
        "before_connected": 1e9,
        "connection_bytes": 1 << 40,
        "user_bytes": 1 << 40,
        "address_bytes": 1 << 40,
    }
    return Budget(Allowances(**(given | changes)), clock)
