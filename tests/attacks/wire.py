"""The attacker's bytes: masked WebSocket frames, and STOMP frames in them."""

from collections.abc import Mapping

from websockets.frames import Frame, Opcode


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a WebSocket frame of a client."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def text(data: bytes | str) -> bytes:
    """Return a whole text message."""
    return frame(Opcode.TEXT, data.encode() if isinstance(data, str) else data)


def stomp(command: str, headers: Mapping[str, str], body: str = "") -> bytes:
    """Return a STOMP frame in a WebSocket message of its own."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return text(f"{command}\n{lines}\n{body}\0")


def connect(token: str) -> bytes:
    """Return a good CONNECT."""
    return stomp("CONNECT", {"accept-version": "1.2", "host": "x", "passcode": token})


def filled(piece: bytes, size: int) -> bytes:
    """Return `piece` again and again, about `size` bytes of it."""
    return piece * max(1, size // len(piece))
