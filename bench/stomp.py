"""The client's half of STOMP, as far as a load generator needs it."""

from collections.abc import Mapping

from bench.virtual_client import Step
from bench.websocket import text_frame

CONNECTED = rb"CONNECTED\n[^\0]*\0"


def frame(command: str, headers: Mapping[str, str], body: str = "") -> bytes:
    """Return a STOMP frame in a WebSocket message; none of the values used needs escaping."""
    head = "\n".join([command, *(f"{name}:{value}" for name, value in headers.items())])
    return text_frame(f"{head}\n\n{body}\0".encode())


def connect(credentials: Mapping[str, str]) -> Step:
    """Return a CONNECT without heart-beats."""
    headers = {"accept-version": "1.2", "heart-beat": "0,0", **credentials}
    return Step(frame("CONNECT", headers), CONNECTED)


def subscribe(destination: str, name: str = "s", since: str = "") -> Step:
    """Return a SUBSCRIBE that is over when its RECEIPT is there."""
    headers = {"id": name, "destination": destination, "receipt": f"subscribed-{name}"}
    if since:
        headers["since"] = since
    answer = rf"RECEIPT\n[^\0]*receipt-id:subscribed-{name}\n[^\0]*\0"
    return Step(frame("SUBSCRIBE", headers), answer.encode())


def send(destination: str, text: str, receipt: str = "") -> bytes:
    """Return a SEND of plain text."""
    headers = {
        "destination": destination,
        "content-type": "text/plain",
        "content-length": str(len(text.encode())),
    }
    if receipt:
        headers["receipt"] = receipt
    return frame("SEND", headers, text)
