"""Which messages of one subscription still wait for their ACK."""

from enum import Enum, auto


class _Fate(Enum):
    """What became of a message that was sent."""

    WAITS = auto()
    CONSUMED = auto()
    REFUSED = auto()


class Inflight:
    """Messages by position, oldest first, as far back as the oldest that waits.

    More than `limit` are not remembered: the oldest is then as good as answered.
    """

    __slots__ = ("_cumulative", "_fates", "_last", "_limit", "read_up_to", "waiting")

    def __init__(self, *, cumulative: bool, limit: int) -> None:
        """`cumulative` is the mode `client`, in which an answer is for all before it as well."""
        self._cumulative = cumulative
        self._limit = limit
        self._fates: dict[int, _Fate] = {}
        self._last = -1
        self.waiting = 0
        """How many wait for an answer."""
        self.read_up_to: int | None = None
        """The newest message that was consumed and has none before it that waits."""

    def __len__(self) -> int:
        """Return how many messages are remembered."""
        return len(self._fates)

    def sent(self, position: int) -> None:
        """Remember that the message at `position`, later than all before, was sent."""
        self._last = position
        self._fates[position] = _Fate.WAITS
        self.waiting += 1
        if len(self._fates) > self._limit:
            if self._fates.pop(next(iter(self._fates))) is _Fate.WAITS:
                self.waiting -= 1
            self._let_go()

    def sent_already(self, position: int) -> bool:
        """Tell whether the message at `position` was sent, as far as that is remembered."""
        if position in self._fates:
            return True
        oldest = next(iter(self._fates), self._last + 1)
        return 0 <= position < oldest

    def answer(self, position: int, *, consumed: bool) -> None:
        """Take an ACK, or a NACK if not `consumed`, of a message that was sent already.

        An answer given once stands.
        """
        fate = _Fate.CONSUMED if consumed else _Fate.REFUSED
        if self._cumulative:
            for other in self._fates:
                if other > position:
                    break
                self._settle(other, fate)
        elif position in self._fates:
            self._settle(position, fate)
        self._let_go()

    def _settle(self, position: int, fate: _Fate) -> None:
        if self._fates[position] is _Fate.WAITS:
            self._fates[position] = fate
            self.waiting -= 1

    def _let_go(self) -> None:
        """Forget the oldest for as long as they are answered."""
        done = []
        for position, fate in self._fates.items():
            if fate is _Fate.WAITS:
                break
            done.append(position)
            if fate is _Fate.CONSUMED:
                self.read_up_to = position
        for position in done:
            del self._fates[position]
