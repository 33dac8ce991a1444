"""Pending receipts of one connection."""

from collections.abc import Callable
from dataclasses import dataclass

from madang_client.errors import Refused
from madang_client.stomp.frame import Frame


@dataclass(frozen=True, slots=True)
class _Pending:
    deadline: float
    granted: Callable[[Frame], None]
    refused: Callable[[Refused], None]


class Receipts:
    """Callbacks for pending receipts, oldest first."""

    def __init__(self, seconds: float) -> None:
        """Each receipt is overdue after `seconds`."""
        self._seconds = seconds
        self._pending: dict[str, _Pending] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def expect(
        self, now: float, granted: Callable[[Frame], None], refused: Callable[[Refused], None]
    ) -> str:
        """Register callbacks and return the receipt id for the frame."""
        self._count += 1
        receipt = f"r{self._count}"
        self._pending[receipt] = _Pending(now + self._seconds, granted, refused)
        return receipt

    def granted(self, receipt: str, frame: Frame) -> None:
        """Call back for the RECEIPT; ignore unknown ids."""
        pending = self._pending.pop(receipt, None)
        if pending is not None:
            pending.granted(frame)

    def refused(self, receipt: str, problem: Refused) -> bool:
        """Call back for a refusal; return whether the receipt id is pending."""
        pending = self._pending.pop(receipt, None)
        if pending is None:
            return False
        pending.refused(problem)
        return True

    def overdue(self, now: float) -> bool:
        """Return whether the oldest receipt is overdue."""
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and oldest.deadline <= now
