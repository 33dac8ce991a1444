"""A STOMP connection that hides nothing that the SDK would handle by itself."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from madang_client.stomp import frame as stomp
from madang_client.stomp.frame import encode
from tests.support.stomp_frames import Frame, read_frames
from tests.support.tls import client_context

_SECONDS = 20


class StompSocket:
    """Sends frames, and returns received frames one WebSocket message at a time."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.version = ""
        """The version that was agreed on."""

    @classmethod
    @contextmanager
    def open(
        cls,
        url: str,
        token: str,
        *,
        offers: Sequence[str] = ("v12.stomp",),
        accepts: str | None = "1.2",
    ) -> Iterator[Self]:
        """Connect with that token, and close when the context ends.

        `offers` are the WebSocket's subprotocols, `accepts` is the CONNECT's accept-version.
        """
        tls = client_context() if url.startswith("wss:") else None
        subprotocols = [Subprotocol(offer) for offer in offers] or None
        # A client that does not read sees no pong either, and would close by itself.
        with connect(url, ssl=tls, subprotocols=subprotocols, ping_interval=None) as socket:
            stomp = cls(socket)
            versions = {} if accepts is None else {"accept-version": accepts}
            stomp.send("CONNECT", **versions, host="x", Authorization=token)
            connected = stomp.next()
            assert connected.command == "CONNECTED", connected
            stomp.version = connected.headers["version"]
            yield stomp

    def send(self, command: str, body: str = "", **headers: str) -> None:
        """Send a frame."""
        self._socket.send(encode(stomp.Frame(command, headers, body.encode())), text=True)

    def next(self) -> Frame:
        """Return the next frame."""
        data = self._socket.recv(timeout=_SECONDS, decode=False)
        assert isinstance(data, bytes)
        (frame,) = read_frames(data)
        return frame

    def close_code(self) -> int:
        """Return the code with which the server closes."""
        return self.rest()[1]

    def rest(self) -> tuple[list[Frame], int]:
        """Return all that comes until the end, and the code with which the server closes."""
        frames: list[Frame] = []
        try:
            while True:
                frames.append(self.next())
        except ConnectionClosed as closed:
            return frames, 1006 if closed.rcvd is None else closed.rcvd.code

    def subscribe(self, room: str, **headers: str) -> Frame:
        """Follow a room and return the RECEIPT, or whatever came instead."""
        topic = f"/topic/rooms.{room}"
        self.send("SUBSCRIBE", id="0", destination=topic, receipt="subscribed", **headers)
        return self.next()

    def say(self, room: str, text: str, **headers: str) -> str:
        """Send a message and return the id of its RECEIPT."""
        receipt = secrets.token_hex(4)
        destination = f"/app/rooms.{room}.send"
        self.send("SEND", text, destination=destination, receipt=receipt, **headers)
        return receipt

    def barrier(self) -> list[Frame]:
        """Return all that had come up to this moment.

        The answer to a frame of ours comes after everything that was sent before it.
        """
        marker = secrets.token_hex(4)
        self.send("BEGIN", transaction=marker, receipt=marker)
        frames: list[Frame] = []
        while not frames or frames[-1].headers.get("receipt-id") != marker:
            frames.append(self.next())
        self.send("ABORT", transaction=marker)
        return frames[:-1]
