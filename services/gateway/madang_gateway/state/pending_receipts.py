"""Sends that were appended and have not come back from the log yet."""

from collections.abc import Callable, KeysView
from typing import TypeAlias

from madang_common.problems import KeyConflict, Problem, Unavailable
from madang_gateway.state.idempotency_keys import First, Key, position_and_digest

Outcome = Callable[[int | Problem | None], object]
"""Told once: the event's position, None for what has none, or why it was refused."""


_Send: TypeAlias = tuple[int, Outcome, float]
"""Digest, outcome, and when it was sent."""


class PendingReceipts:
    """Who waits for which event to come back, oldest first."""

    def __init__(self, seconds: float, observe: Callable[[float], object]) -> None:
        """Give an event `seconds` to come back; tell `observe` how many it took."""
        self._seconds = seconds
        self._observe = observe
        self._waiting: dict[Key, list[_Send]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, key: Key, digest: int, now: float, outcome: Outcome) -> bool:
        """Wait for the event with `key`; return whether it still has to be appended.

        It has not if the same send is under way already. Raise KeyConflict if another one is.
        """
        send = (digest, outcome, now)
        sends = self._waiting.get(key)
        if sends is None:
            self._waiting[key] = [send]
            return True
        if sends[0][0] != digest:
            raise KeyConflict
        sends.append(send)
        return False

    def arrived(self, key: Key, first: First, now: float) -> None:
        """Tell who waits for `key` which event has it."""
        position, digest = position_and_digest(first)
        for sent, outcome, sent_at in self._waiting.pop(key, ()):
            self._observe(now - sent_at)
            outcome(position if sent == digest else KeyConflict())

    def under_way(self, key: Key) -> int | None:
        """Return the digest of what is under way with `key`, if anything is."""
        sends = self._waiting.get(key)
        return sends[0][0] if sends else None

    @property
    def keys(self) -> KeysView[Key]:
        """What is waited for, always as it is now."""
        return self._waiting.keys()

    def failed(self, key: Key, problem: Problem) -> None:
        """Tell who waits for `key` that its append did not succeed."""
        for _, outcome, _ in self._waiting.pop(key, ()):
            outcome(problem)

    def expire(self, now: float) -> None:
        """Give up what has waited too long at `now`."""
        late = []
        for key, sends in self._waiting.items():
            if sends[0][2] + self._seconds > now:
                break
            late.append(key)
        for key in late:
            reason = (
                "The event did not come back from the log in time; send it again with the same key."
            )
            self.failed(key, Unavailable(reason, retry_after_seconds=1))
