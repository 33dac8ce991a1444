"""Messages of one subscription that were sent and not acknowledged yet."""

from enum import Enum, auto


class _State(Enum):
    """State of a sent message."""

    UNSETTLED = auto()
    CONSUMED = auto()
    REJECTED = auto()


class Inflight:
    """Sent messages by position, from the oldest unsettled one on.

    At most `limit` are tracked; beyond that the oldest counts as settled.
    """

    __slots__ = ("_cumulative", "_last", "_limit", "_states", "read_up_to", "unsettled")

    def __init__(self, *, cumulative: bool, limit: int) -> None:
        """`cumulative` is ack mode `client`: an ACK settles all earlier messages too."""
        self._cumulative = cumulative
        self._limit = limit
        self._states: dict[int, _State] = {}
        self._last = -1
        self.unsettled = 0
        """Number of messages without ACK or NACK."""
        self.read_up_to: int | None = None
        """Newest consumed message with no unsettled one before it."""

    def __len__(self) -> int:
        """Return the number of tracked messages."""
        return len(self._states)

    def sent(self, position: int) -> None:
        """Track the message at `position`, which must be later than all before it."""
        self._last = position
        self._states[position] = _State.UNSETTLED
        self.unsettled += 1
        if len(self._states) > self._limit:
            if self._states.pop(next(iter(self._states))) is _State.UNSETTLED:
                self.unsettled -= 1
            self._drop_settled()

    def sent_already(self, position: int) -> bool:
        """Return whether the message at `position` was sent, as far as it is tracked."""
        if position in self._states:
            return True
        oldest = next(iter(self._states), self._last + 1)
        return 0 <= position < oldest

    def settle(self, position: int, *, consumed: bool) -> None:
        """Apply an ACK, or a NACK if not `consumed`; the first one of a message counts."""
        state = _State.CONSUMED if consumed else _State.REJECTED
        if self._cumulative:
            for other in self._states:
                if other > position:
                    break
                self._settle_one(other, state)
        elif position in self._states:
            self._settle_one(position, state)
        self._drop_settled()

    def _settle_one(self, position: int, state: _State) -> None:
        if self._states[position] is _State.UNSETTLED:
            self._states[position] = state
            self.unsettled -= 1

    def _drop_settled(self) -> None:
        """Drop settled messages up to the oldest unsettled one."""
        settled = []
        for position, state in self._states.items():
            if state is _State.UNSETTLED:
                break
            settled.append(position)
            if state is _State.CONSUMED:
                self.read_up_to = position
        for position in settled:
            del self._states[position]
