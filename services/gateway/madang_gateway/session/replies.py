"""Replies to one client: CONNECTED, RECEIPT, refusals and ERROR; everything but messages."""

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


class ReplyOutput(Protocol):
    """Writing side of the connection."""

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        ...

    @property
    def sockjs(self) -> bool:
        """Whether the client reads SockJS frames."""
        ...


class Replies:
    """Writes replies to one client; nothing after its ERROR."""

    __slots__ = ("_output", "_stomp")

    def __init__(self, stomp: ServerConnection, output: ReplyOutput) -> None:
        self._stomp = stomp
        self._output = output

    def connected(self, session: str, user: str) -> None:
        """Send CONNECTED."""
        self._write(self._stomp.connected(session, user, "madang"))

    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        """Send the RECEIPT, if one was requested."""
        if receipt_id is not None:
            self._write(self._stomp.receipt(receipt_id, headers))

    def refusal(
        self, problem: Problem, receipt_id: str | None, key: EncodingKey, **context: str
    ) -> None:
        """Send a refusal to the client's subscription to its errors, whose encoding is `key`."""
        receipt = {} if receipt_id is None else {"receipt-id": receipt_id}
        body = orjson.dumps(problem.document(**receipt, **context))
        message_id = new_id()
        frame = message_frame(
            key.subscription,
            ERRORS,
            message_id,
            {},
            body,
            version=key.version,
            content_type=problems.MEDIA_TYPE,
            ack=key.ack(message_id),
            receipt_id=receipt_id,
        )
        self._write(frame)

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
            self._output.write(websocket_frame(array(frame) if self._output.sockjs else frame))
