"""A WebSocket client without a library: sends any bytes and controls when it reads."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.frames import Frame, Opcode

from services.gateway.tests.stomp_client import written

PATIENCE_SECONDS = 10
UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@dataclass
class RawSocket:
    """A TCP connection to the gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def upgrade(self, path: str = "/ws", **headers: str) -> bytes:
        """Send an upgrade request; return the head of the response."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in (UPGRADE | named).items()]
        await self.send("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def stomp(self, token: str, *, version: str = "1.2", heartbeat: str = "0,0") -> None:
        """Upgrade, and send CONNECT with `token`; pings are not answered."""
        await self.upgrade()
        headers = {"accept-version": version, "heart-beat": heartbeat, "passcode": token}
        await self.frame(Opcode.TEXT, written("CONNECT", headers))

    async def frame(self, opcode: Opcode, data: bytes, *, fin: bool = True) -> None:
        await self.send(Frame(opcode, data, fin=fin).serialize(mask=True))

    async def rest(self) -> bytes:
        """Return everything received until the gateway closes the socket."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def until(self, wanted: bytes) -> bytes:
        """Return everything received up to `wanted`; fail if the connection ends first."""
        found = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wanted not in found:
                data = await self.reader.read(65_536)
                assert data, "the connection is gone"
                found = found[-len(wanted) :] + data
        return found

    async def closed(self) -> int:
        """Answer the gateway's close frame; return its code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size >= 126:
                    width = 2 if size == 126 else 8
                    size = int.from_bytes(await self.reader.readexactly(width), "big")
                data = await self.reader.readexactly(size)
                if first & 0x0F == Opcode.CLOSE:
                    await self.frame(Opcode.CLOSE, data)
                    return int.from_bytes(data[:2], "big")


@asynccontextmanager
async def raw_socket(
    port: int, *, receive_buffer_bytes: int | None = None
) -> AsyncGenerator[RawSocket]:
    """Yield a new TCP connection."""
    made = socket.socket()
    if receive_buffer_bytes is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    made.setblocking(False)  # noqa: FBT003 - the socket module's own
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=made, limit=65_536)
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
