"""Sends in flight: appended to the log, but not back from it yet."""

from collections.abc import Callable, Iterable, KeysView
from typing import TypeAlias

from madang_common.clock import MonotonicClock
from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import FirstEvent, IdempotencyKey, position_and_digest

OnOutcome = Callable[[int | Problem | None], object]
"""Called exactly once with the position, None for a live event, or the Problem."""

_Send: TypeAlias = tuple[int, OnOutcome, float]
"""Digest, callback, and the time it was sent."""


class PendingReceipts:
    """Sends in flight by idempotency key, oldest first."""

    def __init__(
        self, timeout_seconds: float, observe: Callable[[float], object], clock: MonotonicClock
    ) -> None:
        """Fail a send after `timeout_seconds`; `observe` is called with the seconds it took."""
        self._timeout_seconds = timeout_seconds
        self._observe = observe
        self._clock = clock
        self._sends: dict[IdempotencyKey, list[_Send]] = {}

    def __len__(self) -> int:
        return len(self._sends)

    def add(self, key: IdempotencyKey, digest: int, on_outcome: OnOutcome) -> bool:
        """Add a send; return whether it must be appended.

        False means that the same send is in flight already. Raises KeyConflict if another send
        with `key` is.
        """
        send = (digest, on_outcome, self._clock())
        sends = self._sends.get(key)
        if sends is None:
            self._sends[key] = [send]
            return True
        if sends[0][0] != digest:
            raise KeyConflict
        sends.append(send)
        return False

    def succeed(self, events: Iterable[tuple[IdempotencyKey, FirstEvent]]) -> None:
        """Complete the sends with the keys of `events`, which came back from the log."""
        now = self._clock()
        for key, first in events:
            position, digest = position_and_digest(first)
            for sent, on_outcome, sent_at in self._sends.pop(key, ()):
                self._observe(now - sent_at)
                on_outcome(position if sent == digest else KeyConflict())

    def fail(self, key: IdempotencyKey, problem: Problem) -> None:
        """Fail the sends with `key`."""
        for _, on_outcome, _ in self._sends.pop(key, ()):
            on_outcome(problem)

    def digest(self, key: IdempotencyKey) -> int | None:
        """Return the digest of the send in flight with `key`, or None."""
        sends = self._sends.get(key)
        return sends[0][0] if sends else None

    @property
    def keys(self) -> KeysView[IdempotencyKey]:
        """A live view of the keys in flight."""
        return self._sends.keys()

    def expire(self) -> None:
        """Fail the sends that timed out."""
        sent_before = self._clock() - self._timeout_seconds
        expired = []
        for key, sends in self._sends.items():
            if sends[0][2] > sent_before:
                break
            expired.append(key)
        for key in expired:
            reason = (
                "The event did not come back from the log in time; send it again with the same key."
            )
            self.fail(key, Unavailable(reason, retry_after_seconds=1))
