"""Transactions: SENDs and ACKs held until COMMIT."""

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.events import Ack, Send
from madang_gateway.protocol.stomp.limits import Limits

_OBJECTS = 100
"""Bytes of a name's and a value's Python objects, beside their characters."""


class Transactions:
    """The open transactions of one connection."""

    __slots__ = ("_limits", "_open", "bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, list[Send | Ack]] = {}
        self.bytes = 0
        """Approximate memory of all open transactions."""

    def begin(self, transaction: str) -> None:
        """Open `transaction`; raises Duplicate if the id is open."""
        if transaction in self._open:
            raise Duplicate(
                "transaction is open already",
                f"The transaction {transaction[:40]!r} is open; a transaction's id is unique.",
            )
        if len(self._open) >= self._limits.transactions:
            raise TooLarge(
                "too many transactions",
                f"A connection may have {self._limits.transactions} open transactions.",
            )
        self._open[transaction] = []

    def check(self, transaction: str) -> None:
        """Raise NotOpen unless `transaction` is open."""
        if transaction not in self._open:
            raise NotOpen(
                "unknown transaction",
                f"The transaction {transaction[:40]!r} was not begun, or is over.",
            )

    def hold(self, transaction: str, frame: Send | Ack) -> None:
        """Add `frame` to its transaction."""
        self.check(transaction)
        held, limits = self._open[transaction], self._limits
        size = self.bytes + _size(frame)
        if len(held) >= limits.transaction_frames or size > limits.transaction_bytes:
            raise TooLarge(
                "transaction too large",
                f"A transaction may hold {limits.transaction_frames} frames, and all open ones "
                f"together {limits.transaction_bytes} bytes.",
            )
        held.append(frame)
        self.bytes = size

    def end(self, transaction: str) -> list[Send | Ack]:
        """Close `transaction` and return its frames, in order."""
        self.check(transaction)
        held = self._open.pop(transaction)
        self.bytes -= sum(map(_size, held))
        return held


def _size(frame: Send | Ack) -> int:
    """Return the approximate memory of `frame`; many tiny headers count too."""
    headers = frame.headers.items()
    body = len(frame.body) if isinstance(frame, Send) else 0
    return body + sum(_OBJECTS + len(name) + len(value) for name, value in headers)
