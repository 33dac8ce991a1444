"""What the gateway writes to one client beside MESSAGEs: receipts, refusals, errors."""

from collections.abc import Mapping
from typing import Protocol

import orjson

from madang_common import problems
from madang_common.ids import new_id
from madang_common.problems import Problem
from madang_gateway.fanout.encoding import EncodingKey, websocket_frame
from madang_gateway.protocol.destinations import ERRORS
from madang_gateway.protocol.sockjs import array
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.serializer import message_frame


class Outlet(Protocol):
    """Where frames go."""

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        ...

    @property
    def sockjs(self) -> bool:
        """Whether the client reads SockJS frames."""
        ...


class Replies:
    """Writes answers through the STOMP connection, which knows what may still be said."""

    __slots__ = ("_outlet", "_stomp", "errors")

    def __init__(self, stomp: ServerConnection, outlet: Outlet) -> None:
        self._stomp = stomp
        self._outlet = outlet
        self.errors: EncodingKey | None = None
        """The client's subscription to its refusals, if it has one."""

    def connected(self, session: str, user: str) -> None:
        """Let the client in."""
        self._write(self._stomp.connected(session, user, "madang"))

    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        """Send the RECEIPT, if one was asked for."""
        if receipt_id is not None:
            self._write(self._stomp.receipt(receipt_id, headers))

    def refusal(self, problem: Problem, receipt_id: str | None, **context: str) -> bool:
        """Tell of a refusal where the client listens for them; return False if it does not."""
        shape = self.errors
        if shape is None:
            return False
        asked = {} if receipt_id is None else {"receipt-id": receipt_id}
        body = orjson.dumps(problem.document(**asked, **context))
        message_id = new_id()
        frame = message_frame(
            shape.subscription,
            ERRORS,
            message_id,
            {},
            body,
            version=shape.version,
            content_type=problems.MEDIA_TYPE,
            ack=shape.ack(message_id),
            receipt_id=receipt_id,
        )
        self._write(frame)
        return True

    def error(self, cause: Problem | ProtocolError, receipt_id: str | None = None) -> None:
        """Send the ERROR that ends the connection."""
        if isinstance(cause, ProtocolError):
            self._write(self._stomp.error(cause))
            return
        body = orjson.dumps(cause.document())
        self._write(
            self._stomp.error(
                cause.detail or cause.title,
                body,
                content_type=problems.MEDIA_TYPE,
                receipt_id=receipt_id,
            )
        )

    def _write(self, frame: bytes) -> None:
        if frame:
            self._outlet.write(websocket_frame(array(frame) if self._outlet.sockjs else frame))
