"""A well-behaved STOMP client, for victims and members."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.tls import client_context

_CLOSE_SECONDS = 1
"""Longest wait for the close: the product may not read that of a client that sent too fast."""


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncGenerator[ClientConnection]:
    """Yield a WebSocket on which CONNECT was answered."""
    tls = client_context() if url.startswith("wss:") else None
    subprotocols = [Subprotocol("v12.stomp")]
    async with connect(
        url,
        ssl=tls,
        subprotocols=subprotocols,
        ping_interval=None,
        close_timeout=_CLOSE_SECONDS,
    ) as socket:
        await socket.send(f"CONNECT\naccept-version:1.2\nhost:x\npasscode:{token}\n\n\0")
        assert str(await socket.recv()).startswith("CONNECTED")
        yield socket


def say(room: str, text: str, **headers: str) -> str:
    """Return a SEND to `room`."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    return f"SEND\ndestination:/app/rooms.{room}.send\n{lines}\n{text}\0"
