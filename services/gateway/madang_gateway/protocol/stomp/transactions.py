"""Transactions: SENDs and ACKs that wait for their COMMIT."""

from madang_gateway.protocol.stomp.errors import Duplicate, NotOpen, TooLarge
from madang_gateway.protocol.stomp.events import Ack, Send
from madang_gateway.protocol.stomp.limits import Limits

_OBJECTS = 100
"""Bytes that Python needs for a name and a value beside their characters."""


class Transactions:
    """The open transactions of one connection, within its limits."""

    __slots__ = ("_limits", "_open", "bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, list[Send | Ack]] = {}
        self.bytes = 0
        """Roughly what all open ones take in memory."""

    def begin(self, transaction: str) -> None:
        """Open `transaction`, whose id must not be open already."""
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
        """Keep `frame` until its transaction ends."""
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
        """Close `transaction` and return what it held, in order."""
        self.check(transaction)
        held = self._open.pop(transaction)
        self.bytes -= sum(map(_size, held))
        return held


def _size(frame: Send | Ack) -> int:
    """Return roughly what `frame` takes in memory, so that many tiny headers count as well."""
    headers = frame.headers.items()
    body = len(frame.body) if isinstance(frame, Send) else 0
    return body + sum(_OBJECTS + len(name) + len(value) for name, value in headers)
