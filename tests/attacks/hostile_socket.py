"""A client that sends without pause, and records accepted bytes and the close code."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.attacks.attack_request import GONE
from tests.support.tls import client_context

ADDRESS = "127.0.0.2"
"""Where attackers come from; limits that hold per address are not the victim's."""
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: v12.stomp\r\n\r\n"
)
_CLOSE = re.compile(rb"\x88[\x02-\x7d](..)([^\x00-\x1f\x7f-\xff]*)\Z", re.DOTALL)
"""A server's close frame at the end of its data (RFC 6455 section 5.5.1)."""
_TAIL_BYTES = 256
_SEND_BUFFER_BYTES = 65_536
_GONE = (ConnectionError, TimeoutError, asyncio.IncompleteReadError)


class HostileSocket:
    """A WebSocket that never reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._tail = b""
        self._written = 0
        self.received = 0
        self.lost = False
        """Whether nothing more can be sent."""
        self.end: str | None = None
        """How the product ended it: code and reason, or `gone`; None while it lasts."""

    @property
    def accepted(self) -> int:
        """Bytes taken by the product's side, or held in the sockets' buffers."""
        return self._written - self._writer.transport.get_write_buffer_size()

    async def send(self, data: bytes) -> None:
        """Send `data`, and return when it is accepted or the connection has ended."""
        self._written += len(data)
        self._writer.write(data)
        try:
            await self._writer.drain()
        except _GONE:
            self.lost = True

    async def read(self) -> None:
        """Read on until the product ends the connection."""
        with suppress(*_GONE):
            while self.end is None:
                data = await self._reader.read(1 << 20)
                if not data:
                    break
                self.received += len(data)
                self._tail = (self._tail + data)[-_TAIL_BYTES:]
                found = _CLOSE.search(self._tail)
                if found is not None:
                    code = int.from_bytes(found[1], "big")
                    self.end = f"{code} {found[2].decode()}"
        self.end = self.end or GONE


@asynccontextmanager
async def hostile_socket(
    url: str, path: str, *, receive_buffer_bytes: int = 0
) -> AsyncGenerator[HostileSocket]:
    """Yield a WebSocket from the attacker's address; raise ConnectionError if it is refused."""
    parts = urlsplit(url)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    made.bind((ADDRESS, 0))
    made.setblocking(False)  # noqa: FBT003 - the socket module's own
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", parts.port))
    tls = client_context() if parts.scheme == "wss" else None
    reader, writer = await asyncio.open_connection(
        sock=made, ssl=tls, server_hostname=None if tls is None else parts.hostname
    )
    writer.transport.set_write_buffer_limits(high=1, low=0)
    try:
        writer.write(_UPGRADE.format(path=path or parts.path, host=parts.netloc).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(answer.partition(b"\r\n")[0].decode())
        yield HostileSocket(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(*_GONE):
            await writer.wait_closed()
