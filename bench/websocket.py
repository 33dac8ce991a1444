"""The client's half of WebSocket, as far as a load generator needs it: bytes out only."""

import base64
import secrets

from bench.virtual_client import Step

_TEXT = 0x81
_BINARY = 0x82
_MASKED = 0x80
_SHORT_BYTES = 125
_LONG = 126
_NO_MASK = bytes(4)


def upgrade(path: str, *, host: str, subprotocol: str = "") -> Step:
    """Return the opening handshake, answered by 101."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    request = "\r\n".join([*lines, "", ""]).encode()
    return Step(request, answer=rb"\AHTTP/1\.1 101 [^\0]*?\r\n\r\n")


def text_frame(payload: bytes) -> bytes:
    """Return `payload` as one text frame of a client."""
    return _frame(_TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """Return `payload` as one binary frame of a client."""
    return _frame(_BINARY, payload)


def _frame(kind: int, payload: bytes) -> bytes:
    """Return a frame.

    The masking key is zero: the server unmasks as ever, and the generator need not mask.
    """
    length = len(payload)
    if length <= _SHORT_BYTES:
        head = bytes((kind, _MASKED | length))
    else:
        head = bytes((kind, _MASKED | _LONG)) + length.to_bytes(2, "big")
    return head + _NO_MASK + payload
