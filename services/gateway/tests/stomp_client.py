"""A small STOMP client that nobody would want to use: it waits for exactly what it is told to."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Frame:
    """What the server said."""

    command: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def text(self) -> str:
        """The text of a MESSAGE that carries a message."""
        return str(self.json["data"]["text"])


def written(command: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Return a frame as STOMP 1.2 writes it."""
    lines = [command, *(f"{_escape(name)}:{_escape(value)}" for name, value in headers.items())]
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace(":", "\\c")


def _unescape(text: str) -> str:
    return text.replace("\\c", ":").replace("\\n", "\n").replace("\\\\", "\\")


def read_frames(data: bytes) -> list[Frame]:
    """Return the frames in `data`, heart-beats left out."""
    frames = []
    while data := data.lstrip(b"\n"):
        head, _, rest = data.partition(b"\n\n")
        command, *lines = head.decode().split("\n")
        pairs = [line.partition(":") for line in lines]
        headers = {_unescape(name): _unescape(value) for name, _, value in pairs}
        length = int(headers.get("content-length", rest.index(b"\0")))
        assert rest[length : length + 1] == b"\0"
        frames.append(Frame(command, headers, rest[:length]))
        data = rest[length + 1 :]
    return frames


class Client:
    """One connection; frames that a test did not ask for yet are kept in their order."""

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
    ) -> dict[str, str]:
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

    # What the client hears.

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
        """Return the code with which the server closes; what comes before that is kept."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    await self._read()
        except ConnectionClosed as closed:
            return 1006 if closed.rcvd is None else closed.rcvd.code

    def left(self, command: str = "MESSAGE") -> list[Frame]:
        """Return the frames that came and were not asked for."""
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
