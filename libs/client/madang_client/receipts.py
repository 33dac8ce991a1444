"""Frames of one connection whose RECEIPT is still to come."""

from collections.abc import Callable
from dataclasses import dataclass

from madang_client.errors import Refused
from madang_client.stomp.frame import Frame


@dataclass(frozen=True, slots=True)
class _Expected:
    deadline: float
    granted: Callable[[Frame], None]
    refused: Callable[[Refused], None]


class Receipts:
    """Who is told when a RECEIPT, or a refusal instead of it, arrives; oldest first."""

    def __init__(self, seconds: float) -> None:
        """Give each RECEIPT `seconds` to arrive."""
        self._seconds = seconds
        self._expected: dict[str, _Expected] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._expected)

    def expect(
        self, now: float, granted: Callable[[Frame], None], refused: Callable[[Refused], None]
    ) -> str:
        """Return the id to ask for a RECEIPT with."""
        self._count += 1
        receipt = f"r{self._count}"
        self._expected[receipt] = _Expected(now + self._seconds, granted, refused)
        return receipt

    def granted(self, receipt: str, frame: Frame) -> None:
        """Tell who waits for `receipt` that it has come; nobody may, any more."""
        expected = self._expected.pop(receipt, None)
        if expected is not None:
            expected.granted(frame)

    def refused(self, receipt: str, problem: Refused) -> bool:
        """Tell who waits for `receipt` that the answer is no; return whether anybody does."""
        expected = self._expected.pop(receipt, None)
        if expected is None:
            return False
        expected.refused(problem)
        return True

    def overdue(self, now: float) -> bool:
        """Tell whether the oldest has waited too long."""
        oldest = next(iter(self._expected.values()), None)
        return oldest is not None and oldest.deadline <= now
