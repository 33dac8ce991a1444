"""The server's end of a STOMP connection, as a pure state machine."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import ClassVar

from madang_gateway.stomp.errors import (
    Malformed,
    MissingHeader,
    OutOfOrder,
    ProtocolError,
    UnexpectedBody,
    UnknownCommand,
)
from madang_gateway.stomp.events import (
    Abort,
    Ack,
    Begin,
    Commit,
    Connect,
    Disconnect,
    Event,
    Held,
    Send,
    Subscribe,
    Unsubscribe,
)
from madang_gateway.stomp.frame import HEARTBEAT, Command, Frame, HeartBeat
from madang_gateway.stomp.limits import Limits
from madang_gateway.stomp.negotiation import HeartBeats, agree_on_heartbeats, agree_on_version
from madang_gateway.stomp.parser import Parser
from madang_gateway.stomp.serializer import serialize
from madang_gateway.stomp.subscriptions import Subscriptions
from madang_gateway.stomp.transactions import Transactions


class State(Enum):
    CONNECTING = auto()
    """Nothing but CONNECT may come."""
    CONNECTED = auto()
    """The client asked to be let in; what it sends is read, answered or not."""
    DISCONNECTING = auto()
    """The client said good-bye; nothing more is read."""
    CLOSED = auto()
    """ERROR was sent, or the connection is gone."""


TRANSITIONS: Mapping[tuple[State, str], State] = {
    (State.CONNECTING, Command.CONNECT): State.CONNECTED,
    (State.CONNECTING, Command.STOMP): State.CONNECTED,
    (State.CONNECTED, Command.SEND): State.CONNECTED,
    (State.CONNECTED, Command.SUBSCRIBE): State.CONNECTED,
    (State.CONNECTED, Command.UNSUBSCRIBE): State.CONNECTED,
    (State.CONNECTED, Command.ACK): State.CONNECTED,
    (State.CONNECTED, Command.NACK): State.CONNECTED,
    (State.CONNECTED, Command.BEGIN): State.CONNECTED,
    (State.CONNECTED, Command.COMMIT): State.CONNECTED,
    (State.CONNECTED, Command.ABORT): State.CONNECTED,
    (State.CONNECTED, Command.DISCONNECT): State.DISCONNECTING,
}
"""What a client may send when, and what follows. Only our ERROR, or `close`, leads to CLOSED."""

_CLIENT_COMMANDS = frozenset(command for _, command in TRANSITIONS)
_OVER = frozenset({State.DISCONNECTING, State.CLOSED})
_ACK_MODES = ("auto", "client", "client-individual")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ServerConnection:
    """Reads what a client sends as events and writes the server's answers as bytes.

    Events come as fast as the client writes: some may follow a Connect before `connected` was
    called. Handle them in order; after `error` there are none.
    """

    __slots__ = (
        "_failed",
        "_offer",
        "_parser",
        "_state",
        "_subprotocol",
        "_subscriptions",
        "_transactions",
        "heartbeat",
        "version",
    )

    def __init__(
        self,
        limits: Limits,
        subprotocol: str | None = None,
        heartbeat: tuple[int, int] = (0, 0),
    ) -> None:
        """`heartbeat` is what the server can send and wants to get, in ms, as in CONNECTED."""
        self.version: str | None = None
        """The agreed version, from Connect on."""
        self.heartbeat = HeartBeats(0, 0)
        """What is agreed on heart-beats, from Connect on."""
        self._state = State.CONNECTING
        self._failed = False
        self._subprotocol = subprotocol
        self._offer = heartbeat
        self._parser = Parser(limits)
        self._subscriptions = Subscriptions(limits)
        self._transactions = Transactions(limits)

    @property
    def state(self) -> State:
        return self._state

    @property
    def subscriptions(self) -> Mapping[str, str]:
        """The destination of each open subscription id, oldest first."""
        return self._subscriptions.destinations

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Take `data` and yield its events; a ProtocolError comes after the last good one.

        What is not taken from the iterator comes with the next call.
        """
        if self._failed or self._state in _OVER:
            return iter(())
        return self._events(self._parser.receive(data))

    def end_subscription(self, subscription: str) -> None:
        """Forget a subscription that the server refused or ended; an UNSUBSCRIBE may still come."""
        self._subscriptions.end(subscription)

    def connected(self, session: str, user: str, server: str) -> bytes:
        """Return the CONNECTED frame that lets the client in."""
        if self._state is State.CLOSED:
            return b""
        headers = [
            ("version", self._agreed()),
            ("heart-beat", f"{self.heartbeat.send},{self.heartbeat.expect}"),
            ("session", session),
            ("server", server),
            ("user-name", user),
        ]
        return serialize(Command.CONNECTED, headers, b"", self.version)

    def receipt(self, receipt_id: str, extra: Mapping[str, str] = _NO_HEADERS) -> bytes:
        """Return the RECEIPT for `receipt_id`, or nothing after an ERROR."""
        if self._state is State.CLOSED:
            return b""
        headers = [("receipt-id", receipt_id), *extra.items()]
        return serialize(Command.RECEIPT, headers, b"", self.version)

    def error(
        self,
        cause: ProtocolError | str,
        body: bytes = b"",
        *,
        content_type: str = "text/plain",
        receipt_id: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> bytes:
        """Return the last frame of this connection, an ERROR, and close; nothing if closed.

        `cause` is the mistake itself or the `message` header; `body` is for the latter.
        """
        if self._state is State.CLOSED:
            return b""
        self.close()
        if isinstance(cause, ProtocolError):
            body, receipt_id = cause.detail.encode("utf-8", "replace"), cause.receipt_id
            headers, message = cause.headers, cause.message
        else:
            message = cause
        fields = [("message", message), *headers.items()]
        if receipt_id is not None:
            fields.append(("receipt-id", receipt_id))
        if body:
            fields.append(("content-type", content_type))
        return serialize(Command.ERROR, fields, body, self.version)

    def close(self) -> None:
        """End the connection: nothing more is read or written."""
        self._state = State.CLOSED
        self._forget()

    def _forget(self) -> None:
        self._parser.stop()
        self._transactions.clear()
        self._subscriptions.clear()

    def _agreed(self) -> str:
        if self.version is None:
            raise RuntimeError("no CONNECT was received")
        return self.version

    def _events(self, frames: Iterator[Frame | HeartBeat]) -> Iterator[Event]:
        try:
            for frame in frames:
                if isinstance(frame, HeartBeat):
                    yield HEARTBEAT
                    continue
                event = self._event(frame)
                if event is not None:
                    yield event
        except ProtocolError:
            self._failed = True
            self._forget()
            raise

    def _event(self, frame: Frame) -> Event | None:
        command = frame.command
        try:
            state = TRANSITIONS.get((self._state, command))
            if state is None:
                raise self._unexpected(command)
            event = self._READERS[command](self, frame)
        except ProtocolError as error:
            if error.receipt_id is None:
                error.receipt_id = frame.headers.get("receipt")
            raise
        if state is not self._state:
            self._state = state
            if state is State.DISCONNECTING:
                self._forget()
        return event

    def _unexpected(self, command: str) -> ProtocolError:
        if command not in _CLIENT_COMMANDS:
            return UnknownCommand(
                "unknown command", f"STOMP clients send no {command[:40]!r} frame."
            )
        if self._state is State.CONNECTING:
            return OutOfOrder("not connected", f"CONNECT comes first, before {command}.")
        return OutOfOrder("connected already", f"A second {command} on the same connection.")

    def _connect(self, frame: Frame) -> Connect:
        headers = frame.headers
        version = agree_on_version(headers.get("accept-version"), self._subprotocol)
        if version == "1.0":
            headers = {name: value.strip(" ") for name, value in headers.items()}
        else:
            self.heartbeat = agree_on_heartbeats(self._offer, headers.get("heart-beat"))
        self.version = self._parser.version = version
        self._refuse_body(frame)
        return Connect(version, headers.get("login"), headers.get("passcode"), headers)

    def _send(self, frame: Frame) -> Send | Held | None:
        headers = frame.headers
        receipt = headers.get("receipt")
        send = Send(_required(frame, "destination"), headers, frame.body, receipt)
        transaction = headers.get("transaction")
        if transaction is None:
            return send
        send.receipt = None
        self._transactions.hold(transaction, send)
        return None if receipt is None else Held(transaction, receipt)

    def _subscribe(self, frame: Frame) -> Subscribe:
        self._refuse_body(frame)
        headers = frame.headers
        destination = _required(frame, "destination")
        if self.version == "1.0":
            subscription = headers.get("id") or destination
        else:
            subscription = _required(frame, "id")
        ack = headers.get("ack", "auto")
        if ack not in _ACK_MODES:
            raise Malformed("unknown ack mode", f"ack is one of {', '.join(_ACK_MODES)}.")
        self._subscriptions.open(subscription, destination)
        return Subscribe(subscription, destination, ack, headers, headers.get("receipt"))

    def _unsubscribe(self, frame: Frame) -> Unsubscribe:
        self._refuse_body(frame)
        headers = frame.headers
        if self.version == "1.0" and not headers.get("id"):
            subscription = self._subscriptions.id_for(_required(frame, "destination"))
        else:
            subscription = _required(frame, "id")
        self._subscriptions.close(subscription)
        return Unsubscribe(subscription, headers, headers.get("receipt"))

    def _ack(self, frame: Frame) -> Ack:
        self._refuse_body(frame)
        headers = frame.headers
        nack = frame.command == Command.NACK
        if nack and self.version == "1.0":
            raise UnknownCommand("unknown command", "STOMP 1.0 has no NACK.")
        message = _required(frame, "id" if self.version == "1.2" else "message-id")
        subscription = headers.get("subscription")
        if self.version == "1.1":
            subscription = _required(frame, "subscription")
        transaction = headers.get("transaction")
        if transaction is not None:
            self._transactions.check(transaction)
        return Ack(message, subscription, nack, transaction, headers, headers.get("receipt"))

    def _begin(self, frame: Frame) -> Begin:
        self._refuse_body(frame)
        transaction = _required(frame, "transaction")
        self._transactions.begin(transaction)
        return Begin(transaction, frame.headers, frame.headers.get("receipt"))

    def _commit(self, frame: Frame) -> Commit:
        self._refuse_body(frame)
        transaction = _required(frame, "transaction")
        sends = self._transactions.end(transaction)
        return Commit(transaction, sends, frame.headers, frame.headers.get("receipt"))

    def _abort(self, frame: Frame) -> Abort:
        self._refuse_body(frame)
        transaction = _required(frame, "transaction")
        self._transactions.end(transaction)
        return Abort(transaction, frame.headers, frame.headers.get("receipt"))

    def _disconnect(self, frame: Frame) -> Disconnect:
        self._refuse_body(frame)
        return Disconnect(frame.headers, frame.headers.get("receipt"))

    def _refuse_body(self, frame: Frame) -> None:
        # 1.0 says of most frames that their body is ignored.
        if frame.body and self.version != "1.0":
            raise UnexpectedBody(
                "unexpected body", f"A {frame.command} frame has no body; only SEND has one."
            )

    _READERS: ClassVar[Mapping[str, Callable[["ServerConnection", Frame], Event | None]]] = {
        Command.CONNECT: _connect,
        Command.STOMP: _connect,
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


def _required(frame: Frame, name: str) -> str:
    value = frame.headers.get(name)
    if not value:
        raise MissingHeader(f"missing header {name}", f"{frame.command} needs a {name} header.")
    return value
