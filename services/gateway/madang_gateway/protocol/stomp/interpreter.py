"""Turns the frames of a connected client into events, in the negotiated version."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from madang_gateway.protocol.stomp.errors import (
    Malformed,
    MissingHeader,
    UnexpectedBody,
    UnknownCommand,
)
from madang_gateway.protocol.stomp.events import (
    Abort,
    Ack,
    Begin,
    Commit,
    Disconnect,
    Event,
    Held,
    Send,
    Subscribe,
    Unsubscribe,
)
from madang_gateway.protocol.stomp.frame import Command, Frame
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.subscriptions import Subscriptions
from madang_gateway.protocol.stomp.transactions import Transactions

_ACK_MODES = ("auto", "client", "client-individual")


class Interpreter:
    """Turns frames into events; keeps the subscriptions and transactions that they refer to."""

    __slots__ = ("subscriptions", "transactions", "version")

    def __init__(self, version: str, limits: Limits) -> None:
        self.version = version
        self.subscriptions = Subscriptions(limits)
        self.transactions = Transactions(limits)

    def read(self, frame: Frame) -> Event:
        """Return the event of `frame`, whose command is known."""
        return self._READERS[frame.command](self, frame)

    def lone_send(self, frame: Frame) -> Send | None:
        """Fast path of `read` for a SEND outside of transactions; None leaves it to `read`."""
        headers = frame.headers
        destination = headers.get("destination")
        if not destination or "transaction" in headers:
            return None
        return Send(destination, headers, frame.body, headers.get("receipt"))

    def _send(self, frame: Frame) -> Send | Held:
        headers = frame.headers
        receipt = headers.get("receipt")
        send = Send(_required(frame, "destination"), headers, frame.body, receipt)
        transaction = headers.get("transaction")
        if transaction is None:
            return send
        send.receipt = None
        self.transactions.hold(transaction, send)
        return Held(transaction, receipt)

    def _subscribe(self, frame: Frame) -> Subscribe:
        refuse_body(frame, self.version)
        headers = frame.headers
        destination = _required(frame, "destination")
        if self.version == "1.0":
            subscription = headers.get("id") or destination
        else:
            subscription = _required(frame, "id")
        ack = headers.get("ack", "auto")
        if ack not in _ACK_MODES:
            raise Malformed("unknown ack mode", f"ack is one of {', '.join(_ACK_MODES)}.")
        self.subscriptions.open(subscription, destination)
        return Subscribe(subscription, destination, ack, headers, headers.get("receipt"))

    def _unsubscribe(self, frame: Frame) -> Unsubscribe:
        refuse_body(frame, self.version)
        headers = frame.headers
        if self.version == "1.0" and not headers.get("id"):
            subscription = self.subscriptions.id_for(_required(frame, "destination"))
        else:
            subscription = _required(frame, "id")
        self.subscriptions.close(subscription)
        return Unsubscribe(subscription, headers, headers.get("receipt"))

    def _ack(self, frame: Frame) -> Ack | Held:
        refuse_body(frame, self.version)
        headers = frame.headers
        nack = frame.command == Command.NACK
        if nack and self.version == "1.0":
            raise UnknownCommand("unknown command", "STOMP 1.0 has no NACK.")
        message = _required(frame, "id" if self.version == "1.2" else "message-id")
        subscription = headers.get("subscription")
        if self.version == "1.1":
            subscription = _required(frame, "subscription")
        receipt, transaction = headers.get("receipt"), headers.get("transaction")
        if transaction is None:
            return Ack(message, subscription, nack, None, headers, receipt)
        ack = Ack(message, subscription, nack, transaction, headers, None)
        self.transactions.hold(transaction, ack)
        return Held(transaction, receipt)

    def _begin(self, frame: Frame) -> Begin:
        refuse_body(frame, self.version)
        transaction = _required(frame, "transaction")
        self.transactions.begin(transaction)
        return Begin(transaction, frame.headers, frame.headers.get("receipt"))

    def _commit(self, frame: Frame) -> Commit:
        refuse_body(frame, self.version)
        transaction = _required(frame, "transaction")
        held = self.transactions.end(transaction)
        return Commit(
            transaction,
            [one for one in held if isinstance(one, Send)],
            frame.headers,
            frame.headers.get("receipt"),
            [one for one in held if isinstance(one, Ack)],
        )

    def _abort(self, frame: Frame) -> Abort:
        refuse_body(frame, self.version)
        transaction = _required(frame, "transaction")
        self.transactions.end(transaction)
        return Abort(transaction, frame.headers, frame.headers.get("receipt"))

    def _disconnect(self, frame: Frame) -> Disconnect:
        refuse_body(frame, self.version)
        return Disconnect(frame.headers, frame.headers.get("receipt"))

    _READERS: ClassVar[Mapping[str, Callable[["Interpreter", Frame], Event]]] = {
        Command.SEND: _send,
        Command.SUBSCRIBE: _subscribe,
        Command.UNSUBSCRIBE: _unsubscribe,
        Command.ACK: _ack,
        Command.NACK: _ack,
        Command.BEGIN: _begin,
        Command.COMMIT: _commit,
        Command.ABORT: _abort,
        Command.DISCONNECT: _disconnect,
    }


def refuse_body(frame: Frame, version: str) -> None:
    """Raise UnexpectedBody if `frame` has a body; 1.0 ignores the body of most frames."""
    if frame.body and version != "1.0":
        raise UnexpectedBody(
            "unexpected body", f"A {frame.command} frame has no body; only SEND has one."
        )


def _required(frame: Frame, name: str) -> str:
    value = frame.headers.get(name)
    if not value:
        raise MissingHeader(f"missing header {name}", f"{frame.command} needs a {name} header.")
    return value
