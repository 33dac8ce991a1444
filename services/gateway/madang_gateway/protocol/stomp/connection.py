"""The server's side of a STOMP connection, as a state machine without I/O."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType

from madang_gateway.protocol.stomp.errors import OutOfOrder, ProtocolError, UnknownCommand
from madang_gateway.protocol.stomp.events import Connect, Event, Send
from madang_gateway.protocol.stomp.frame import HEARTBEAT, Command, Frame, HeartBeat
from madang_gateway.protocol.stomp.head import trimmed
from madang_gateway.protocol.stomp.headers import header_line, header_value
from madang_gateway.protocol.stomp.interpreter import Interpreter, refuse_body
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.stomp.negotiation import (
    VERSIONS,
    HeartBeats,
    agree_on_heartbeats,
    agree_on_version,
)
from madang_gateway.protocol.stomp.parser import Parser
from madang_gateway.protocol.stomp.serializer import serialize


class State(Enum):
    CONNECTING = auto()
    """Only CONNECT is allowed."""
    CONNECTED = auto()
    """CONNECT was received, answered or not; frames are read."""
    DISCONNECTING = auto()
    """DISCONNECT was received; nothing more is read."""
    CLOSED = auto()
    """ERROR was sent, or the connection was closed."""


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
"""The legal transitions by the client's commands. The server's ERROR and `close` lead to CLOSED."""

_CLIENT_COMMANDS = frozenset(command for _, command in TRANSITIONS)
_SEND = b"SEND\n"
_OVER = frozenset({State.DISCONNECTING, State.CLOSED})
_NONE: Mapping[str, str] = MappingProxyType({})


class ServerConnection:
    """Turns a client's bytes into events, and the server's replies into bytes.

    Handle events in order. Some may follow a Connect before `connected` was called; after `error`
    there are none.
    """

    __slots__ = (
        "_failed",
        "_interpreter",
        "_limits",
        "_offer",
        "_parser",
        "_state",
        "_versions",
        "heartbeat",
        "version",
    )

    def __init__(
        self,
        limits: Limits,
        versions: Sequence[str] = VERSIONS,
        heartbeat: tuple[int, int] = (0, 0),
    ) -> None:
        """`versions` are those to negotiate, best first.

        `heartbeat` is what the server can send and wants to receive, in ms, as in CONNECTED.
        """
        self.version: str | None = None
        """The negotiated version, from Connect on."""
        self.heartbeat = HeartBeats(0, 0)
        """The negotiated heart-beats, from Connect on."""
        self._state = State.CONNECTING
        self._failed = False
        self._versions = versions
        self._offer = heartbeat
        self._limits = limits
        self._parser = Parser(limits)
        self._interpreter: Interpreter | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def unread_bytes(self) -> int:
        """Bytes of incomplete frames, of frames not taken yet, and of open transactions."""
        held = 0 if self._interpreter is None else self._interpreter.transactions.bytes
        return self._parser.unread_bytes + held

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Add `data` and yield its events; raises ProtocolError after the last valid one.

        Events not taken from the iterator are yielded by the next call.
        """
        if self._failed or self._state in _OVER:
            return iter(())
        return self._events(self._parser.receive(data))

    def receive_send(self, data: bytes) -> Send | None:
        """Fast path of `receive` for data that is exactly one SEND outside of transactions.

        None leaves `data`, of which nothing was taken, to `receive`.
        """
        interpreter = self._interpreter
        if self._state is not State.CONNECTED or interpreter is None:
            return None
        if not data.startswith(_SEND):
            return None
        frame = self._parser.whole(data)
        return None if frame is None else interpreter.lone_send(frame)

    def end_subscription(self, subscription: str) -> None:
        """Remove a subscription that the server refused or ended; UNSUBSCRIBE may still come."""
        if self._interpreter is not None:
            self._interpreter.subscriptions.end(subscription)

    def ended(self, subscription: str) -> bool:
        """Return whether the server ended `subscription` and no UNSUBSCRIBE came yet."""
        return self._interpreter is not None and self._interpreter.subscriptions.ended(subscription)

    def connected(self, session: str, user: str, server: str) -> bytes:
        """Return the CONNECTED frame."""
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

    def receipt(self, receipt_id: str, extra: Mapping[str, str] = _NONE) -> bytes:
        """Return the RECEIPT for `receipt_id`, or nothing after an ERROR."""
        if self._state is State.CLOSED:
            return b""
        frame = b"RECEIPT\nreceipt-id:%b\n" % header_value(receipt_id, self.version)
        for name, value in extra.items():
            frame += header_line(name, value, self.version)
        return frame + b"\n\0"

    def error(
        self,
        cause: ProtocolError | str,
        body: bytes = b"",
        *,
        content_type: str = "text/plain",
        receipt_id: str | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> bytes:
        """Return the ERROR frame and close; returns nothing if closed already.

        `cause` is the client's error, or the `message` header; the other arguments are for the
        latter.
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
        """Close: nothing more is read or written."""
        self._state = State.CLOSED
        self._release()

    def _release(self) -> None:
        """Drop buffered bytes, subscriptions and transactions."""
        self._parser.stop()
        self._interpreter = None

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
                yield self._event(frame)
        except ProtocolError:
            self._failed = True
            self._release()
            raise

    def _event(self, frame: Frame) -> Event:
        command = frame.command
        try:
            state = TRANSITIONS.get((self._state, command))
            if state is None:
                raise self._unexpected(command)
            interpreter = self._interpreter
            event = self._connect(frame) if interpreter is None else interpreter.read(frame)
        except ProtocolError as error:
            error.receipt_id = frame.headers.get("receipt")
            raise
        if state is not self._state:
            self._state = state
            if state is State.DISCONNECTING:
                self._release()
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
        version = agree_on_version(headers.get("accept-version"), self._versions)
        if version == "1.0":
            headers = trimmed(headers)
        else:
            self.heartbeat = agree_on_heartbeats(self._offer, headers.get("heart-beat"))
        self.version = self._parser.version = version
        refuse_body(frame, version)
        self._interpreter = Interpreter(version, self._limits)
        return Connect(version, headers.get("login"), headers.get("passcode"), headers)
