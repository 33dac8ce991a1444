"""A STOMP client for tests: sends any frame, and waits for the frames that a test expects."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from madang_client.stomp import frame as stomp
from madang_client.stomp.frame import encode
from tests.support.stomp_frames import Frame, read_frames

PATIENCE_SECONDS = 10


def written(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a frame as STOMP 1.2 writes it."""
    return encode(stomp.Frame(command, headers, body))


class Client:
    """One connection; frames that the test has not read yet are kept in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heartbeats = 0
        self._kept: deque[Frame] = deque()
        self._receipts = 0

    # What the client says.

    async def say(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        await self.raw(written(command, headers, body))

    async def raw(self, data: bytes | list[bytes]) -> None:
        """Send `data` as one text message, in fragments if it is a list."""
        await self.socket.send(data, text=True)

    async def connect(self, token: str, *, heartbeat: str = "0,0") -> Frame:
        await self.say(
            "CONNECT",
            {"accept-version": "1.2", "host": "x", "heart-beat": heartbeat, "passcode": token},
        )
        return await self.frame("CONNECTED")

    async def subscribe(
        self, destination: str, subscription: str = "s", **headers: str
    ) -> Mapping[str, str]:
        """Subscribe and return the headers of the RECEIPT."""
        receipt = self._receipt()
        await self.say(
            "SUBSCRIBE",
            {"id": subscription, "destination": destination, "receipt": receipt, **headers},
        )
        return (await self.receipt(receipt)).headers

    async def send(
        self, text: str, room: str = "yard", *, destination: str | None = None, **headers: str
    ) -> str:
        """Send a message and return the id in its RECEIPT."""
        receipt = self._receipt()
        await self.say(
            "SEND",
            {
                "destination": destination or f"/app/rooms.{room}.send",
                "receipt": receipt,
                "content-type": "text/plain",
                **headers,
            },
            text.encode(),
        )
        return (await self.receipt(receipt)).headers.get("message-id", "")

    def _receipt(self) -> str:
        self._receipts += 1
        return f"r-{self._receipts}"

    # Frames from the server.

    async def receipt(self, receipt: str) -> Frame:
        return await self._take(
            lambda frame: frame.command == "RECEIPT" and frame.headers["receipt-id"] == receipt
        )

    async def frame(self, command: str) -> Frame:
        return await self._take(lambda frame: frame.command == command)

    async def message(self, subscription: str = "s") -> Frame:
        return await self._take(
            lambda frame: (
                frame.command == "MESSAGE" and frame.headers["subscription"] == subscription
            )
        )

    async def messages(self, count: int, subscription: str = "s") -> list[Frame]:
        return [await self.message(subscription) for _ in range(count)]

    async def refusal(self, subscription: str = "errors") -> dict[str, Any]:
        """Return the next problem on the subscription to refusals."""
        return dict((await self.message(subscription)).json)

    async def closed(self) -> int:
        """Return the server's close code; frames before it are kept."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    await self._read()
        except ConnectionClosed as closed:
            return 1006 if closed.rcvd is None else closed.rcvd.code

    def left(self, command: str = "MESSAGE") -> list[Frame]:
        """Return the received frames that the test has not read."""
        return [frame for frame in self._kept if frame.command == command]

    async def _take(self, wanted: Callable[[Frame], bool]) -> Frame:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for frame in self._kept:
                    if wanted(frame):
                        self._kept.remove(frame)
                        return frame
                await self._read()

    async def _read(self) -> None:
        data = await self.socket.recv(decode=False)
        if data == b"\n":
            self.heartbeats += 1
        self._kept.extend(read_frames(data))


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncGenerator[Client]:
    """Yield a client on a WebSocket that was just opened."""
    settings: dict[str, Any] = {
        "subprotocols": ["v12.stomp"],
        "compression": None,
        "max_size": None,
        "max_queue": None,
        "ping_interval": None,
        "close_timeout": 1,
    }
    async with connect(url, **(settings | options)) as socket:
        yield Client(socket)
