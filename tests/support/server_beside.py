"""uvicorn beside a test, in the test's own event loop."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from typing_extensions import override


def listening() -> socket.socket:
    """Return a listener on loopback.

    asyncio lets the connections of a socket that it did not make itself wait for the peer's delayed
    acknowledgements, 40 ms each; uvloop, which serves the product, does not.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class ServerBeside(uvicorn.Server):
    """A server that leaves signals to the test, and reports when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
