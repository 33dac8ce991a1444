"""One STOMP connection over WebSocket, after CONNECTED."""

import asyncio
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
)
from websockets.typing import Subprotocol

from madang_client.close_policy import is_final
from madang_client.errors import ConnectionLost, NotReachable, ProtocolError, Refused
from madang_client.problem import refusal, retry_after_seconds
from madang_client.settings import ChatSettings
from madang_client.stomp import heartbeat
from madang_client.stomp.frame import HEARTBEAT, Frame, encode
from madang_client.stomp.heartbeat import Heartbeat
from madang_client.stomp.parser import Limits, Parser

SUBPROTOCOL = Subprotocol("v12.stomp")
_CLOSE_SECONDS = 2.0
_HEARTBEAT_PART = 0.5
"""Part of the agreed interval after which a heart-beat is sent, to tolerate delays."""


class Connection:
    """Sends and receives frames and heart-beats; ends with one ConnectionLost."""

    def __init__(self, socket: ClientConnection, settings: ChatSettings) -> None:
        self._socket = socket
        self._settings = settings
        self._parser = Parser(Limits(body_bytes=settings.frame_bytes))
        self._heartbeat = Heartbeat(0, 0)
        self._first_frames: list[Frame] = []
        self._sent_at = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, url: str, token: str, settings: ChatSettings) -> Self:
        """Connect to `url` and authenticate with `token`.

        Raise NotReachable if the server gives no valid answer, Refused if it refuses the WebSocket
        for good, and ConnectionLost if it refuses CONNECT.
        """
        try:
            async with asyncio.timeout(settings.connect_seconds):
                connection = cls(await _open_socket(url, settings), settings)
                try:
                    await connection._authenticate(url, token)
                except BaseException:
                    await connection.abort()
                    raise
        except TimeoutError as error:
            raise NotReachable("the server does not answer in time") from error
        return connection

    async def send(self, frame: Frame) -> None:
        """Send `frame`; wait while the write buffer is full."""
        await self._write(encode(frame))

    async def receive(self) -> list[Frame]:
        """Return the next frames, perhaps none; raise ConnectionLost at the end."""
        if self._first_frames:
            frames, self._first_frames = self._first_frames, []
        else:
            frames = await self._read(self._read_timeout_seconds())
        for frame in frames:
            if frame.command == "ERROR":
                raise await self._closed_by_error(frame)
        return frames

    async def send_heartbeats(self) -> None:
        """Send heart-beats until the connection ends."""
        interval = self._heartbeat.send_seconds * _HEARTBEAT_PART
        if not interval:
            return
        loop = asyncio.get_running_loop()
        while True:
            remaining = self._sent_at + interval - loop.time()
            if remaining > 0:
                await asyncio.sleep(remaining)
            else:
                await self._write(HEARTBEAT)

    async def close(self) -> None:
        """Send DISCONNECT and close the connection."""
        try:
            await self.send(Frame("DISCONNECT"))
        except ConnectionLost:
            return
        await self._socket.close()

    async def abort(self) -> None:
        """Close the transport immediately."""
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def _authenticate(self, url: str, token: str) -> None:
        connect_frame = Frame(
            "CONNECT",
            {
                "accept-version": "1.2",
                "host": urlsplit(url).hostname or "",
                "heart-beat": heartbeat.header(self._settings.heartbeat_seconds),
                "Authorization": f"Bearer {token}",
            },
        )
        await self.send(connect_frame)
        frames: list[Frame] = []
        while not frames:
            frames = await self._read(None)
        first, *self._first_frames = frames
        if first.command == "ERROR":
            raise await self._closed_by_error(first)
        if first.command != "CONNECTED":
            raise NotReachable(f"the server answers CONNECT with {first.command[:20]!r}")
        self._heartbeat = heartbeat.agree(
            self._settings.heartbeat_seconds, first.headers.get("heart-beat")
        )

    def _read_timeout_seconds(self) -> float | None:
        return (self._heartbeat.receive_seconds * self._settings.silences) or None

    async def _read(self, seconds: float | None) -> list[Frame]:
        try:
            async with asyncio.timeout(seconds):
                data = await self._socket.recv(decode=False)
            return self._parser.feed(data)
        except TimeoutError as error:
            await self.abort()
            raise ConnectionLost("no heart-beat from the server") from error
        except ProtocolError:
            await self.abort()
            raise
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def _write(self, data: bytes) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        try:
            await self._socket.send(data, text=True)
        except ConnectionClosed as error:
            raise _lost(error) from error

    async def _closed_by_error(self, frame: Frame) -> ConnectionLost:
        """Return the error for an ERROR frame, after waiting for the close code."""
        problem = refusal(frame.body, reason=frame.headers.get("message", ""))
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.wait_closed()
        except TimeoutError:
            await self.abort()
        reason = self._socket.close_reason or str(problem)
        return ConnectionLost(reason, code=self._socket.close_code, refusal=problem)


async def _open_socket(url: str, settings: ChatSettings) -> ClientConnection:
    try:
        return await connect(
            url,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            open_timeout=settings.connect_seconds,
            # STOMP has heart-beats; and a pong would not be read while a slow reader blocks the
            # connection.
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS,
            max_size=settings.frame_bytes + Limits().head_bytes,
        )
    except InvalidStatus as error:
        response = error.response
        if is_final(response.status_code) or response.status_code < HTTPStatus.BAD_REQUEST:
            raise _refused(bytes(response.body or b""), response.status_code) from error
        raise NotReachable(
            f"the server refuses connections for now (status {response.status_code})",
            retry_after_seconds=retry_after_seconds(response.headers.get("Retry-After")),
        ) from error
    except ImportError as error:
        # websockets needs another package for the protocol of this proxy.
        raise NotReachable(
            f"no connection to {url} through the proxy in ALL_PROXY: {error}"
        ) from error
    except (OSError, EOFError, InvalidHandshake) as error:
        raise NotReachable(f"no connection to {url}: {error!s}") from error


def _refused(body: bytes, status: int) -> Refused:
    return refusal(body, status=status, reason=f"the WebSocket was refused with status {status}")


def _lost(error: ConnectionClosed) -> ConnectionLost:
    if error.rcvd is None:
        return ConnectionLost("the connection was lost", code=1006)
    return ConnectionLost(error.rcvd.reason or "closed by the server", code=error.rcvd.code)
