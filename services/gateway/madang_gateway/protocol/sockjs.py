"""SockJS framing inside WebSocket messages: `o`, `h`, `a[…]`, `c[…]`, and the client's JSON.

A WebSocket message from the server is one SockJS frame; one from the client is a JSON string or an
array of strings. Each string is one WebSocket message of a connection without SockJS.
"""

from typing import Any

import orjson

OPEN = b"o"
HEARTBEAT = b"h"


class BrokenFraming(Exception):  # noqa: N818 - names the client's error
    """A WebSocket message that is not valid in SockJS."""


def array(*messages: bytes) -> bytes:
    """Return the frame that carries `messages`, each of them UTF-8."""
    return b"a" + orjson.dumps([message.decode("utf-8", "replace") for message in messages])


def close(code: int, reason: str) -> bytes:
    """Return the close frame."""
    return b"c" + orjson.dumps([code, reason])


def read(payload: bytes) -> list[bytes]:
    """Return the messages in a client's WebSocket message, none if it is empty.

    Raises BrokenFraming if it is not valid.
    """
    if not payload:
        return []
    try:
        found: Any = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BrokenFraming("not JSON") from error
    messages = found if isinstance(found, list) else [found]
    if not all(isinstance(message, str) for message in messages):
        raise BrokenFraming("not a string, nor an array of strings")
    return [message.encode() for message in messages]


class Reader:
    """Joins the fragments of a WebSocket message, whose JSON is parsed as a whole."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def receive(self, payload: bytes, *, fin: bool) -> list[bytes]:
        """Add a fragment; return the messages if it is the last fragment.

        The caller limits the size.
        """
        if fin and not self._parts:
            return read(payload)
        self._parts.append(payload)
        if not fin:
            return []
        parts, self._parts = self._parts, []
        return read(b"".join(parts))
