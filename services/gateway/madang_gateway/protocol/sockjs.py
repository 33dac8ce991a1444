"""SockJS's own framing inside WebSocket messages: `o`, `h`, `a[…]`, `c[…]`, and what clients send.

From the server each WebSocket message is one SockJS frame; from the client it is a JSON string, or
an array of them. Each such string is what would have been one WebSocket message without SockJS.
"""

from typing import Any

import orjson

OPEN = b"o"
HEARTBEAT = b"h"


class BrokenFraming(Exception):  # noqa: N818 - named for what the client did
    """Not what a SockJS client sends."""


def array(*messages: bytes) -> bytes:
    """Return the frame that carries `messages`, each of them UTF-8."""
    return b"a" + orjson.dumps([message.decode("utf-8", "replace") for message in messages])


def close(code: int, reason: str) -> bytes:
    """Return the frame after which nothing follows."""
    return b"c" + orjson.dumps([code, reason])


def read(payload: bytes) -> list[bytes]:
    """Return what a client's WebSocket message carries, nothing if it is empty.

    Raise BrokenFraming if it is something else.
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
    """Puts fragments of WebSocket messages together: JSON is read whole."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def receive(self, payload: bytes, *, fin: bool) -> list[bytes]:
        """Take a fragment and return what is carried by the message that it ends, if it does.

        How large a message may be is for whoever reads the fragments to decide.
        """
        if fin and not self._parts:
            return read(payload)
        self._parts.append(payload)
        if not fin:
            return []
        parts, self._parts = self._parts, []
        return read(b"".join(parts))
