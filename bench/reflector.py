"""No chat at all: a server that only writes, to see how much the load generator can count.

It tells a message from an acknowledged one by looking for a word, and writes the same frame to
everybody, as many at once as came at once. `python -m bench.reflector PORT` starts it.
"""

import asyncio
import sys
from typing import cast

import uvloop
from typing_extensions import override

MESSAGE_BYTES = 600
RECEIPT_BYTES = 60
_UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
_READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_MESSAGE = b"\x81\x7e" + MESSAGE_BYTES.to_bytes(2, "big") + b"-" * (MESSAGE_BYTES - 1) + b"}"
_RECEIPT = bytes((0x81, RECEIPT_BYTES)) + b"-" * (RECEIPT_BYTES - 1) + b"!"


class Reflector(asyncio.Protocol):
    """One connection."""

    def __init__(self, everybody: set[asyncio.Transport]) -> None:
        self._everybody = everybody
        self._request = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._everybody.discard(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._transport not in self._everybody:
            self._shake_hands(data)
            return
        messages = data.count(b'"text"')
        if b'"receipt"' in data:
            self._transport.write((_MESSAGE + _RECEIPT) * messages)
            return
        written = _MESSAGE * messages
        for transport in self._everybody:
            transport.write(written)

    def _shake_hands(self, data: bytes) -> None:
        self._request += data
        if b"\r\n\r\n" not in self._request:
            return
        if self._request.startswith(b"GET /health"):
            self._transport.write(_READY)
            self._transport.close()
            return
        self._everybody.add(self._transport)
        self._transport.write(_UPGRADED)


async def serve(port: int) -> None:
    """Serve until the process ends."""
    everybody: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Reflector(everybody), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
