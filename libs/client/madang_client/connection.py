"""One STOMP session on one WebSocket: from CONNECTED to its end."""

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
_SEND_EARLY = 0.5
"""Part of the agreed silence after which a heart-beat goes out, so that a delay does no harm."""


class Connection:
    """Frames out and frames in, heart-beats both ways; ends with ConnectionLost and once only."""

    def __init__(self, socket: ClientConnection, settings: ChatSettings) -> None:
        self._socket = socket
        self._settings = settings
        self._parser = Parser(Limits(body_bytes=settings.frame_bytes))
        self._heartbeat = Heartbeat(0, 0)
        self._early: list[Frame] = []
        self._sent_at = asyncio.get_running_loop().time()

    @classmethod
    async def open(cls, url: str, token: str, settings: ChatSettings) -> Self:
        """Connect to `url` and log in with `token`.

        Raise NotReachable if nobody answers as they should, Refused if the WebSocket is refused for
        good, and ConnectionLost if CONNECT is.
        """
        try:
            async with asyncio.timeout(settings.connect_seconds):
                connection = cls(await _open_socket(url, settings), settings)
                try:
                    await connection._log_in(url, token)
                except BaseException:
                    await connection.abort()
                    raise
        except TimeoutError as error:
            raise NotReachable("the server does not answer in time") from error
        return connection

    async def send(self, frame: Frame) -> None:
        """Write `frame`; wait while the server reads slower than this side writes."""
        await self._write(encode(frame))

    async def receive(self) -> list[Frame]:
        """Return the next frames, which may be none; raise ConnectionLost at the end."""
        if self._early:
            frames, self._early = self._early, []
        else:
            frames = await self._read(self._longest_silence())
        for frame in frames:
            if frame.command == "ERROR":
                raise await self._told_off(frame)
        return frames

    async def beat(self) -> None:
        """Send heart-beats for as long as the connection lasts."""
        every = self._heartbeat.send_seconds * _SEND_EARLY
        if not every:
            return
        loop = asyncio.get_running_loop()
        while True:
            rest = self._sent_at + every - loop.time()
            if rest > 0:
                await asyncio.sleep(rest)
            else:
                await self._write(HEARTBEAT)

    async def close(self) -> None:
        """Say goodbye and end the connection."""
        try:
            await self.send(Frame("DISCONNECT"))
        except ConnectionLost:
            return
        await self._socket.close()

    async def abort(self) -> None:
        """End the connection at once, without a word."""
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def _log_in(self, url: str, token: str) -> None:
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
        first, *self._early = frames
        if first.command == "ERROR":
            raise await self._told_off(first)
        if first.command != "CONNECTED":
            raise NotReachable(f"the server answers CONNECT with {first.command[:20]!r}")
        self._heartbeat = heartbeat.agree(
            self._settings.heartbeat_seconds, first.headers.get("heart-beat")
        )

    def _longest_silence(self) -> float | None:
        return (self._heartbeat.receive_seconds * self._settings.silences) or None

    async def _read(self, seconds: float | None) -> list[Frame]:
        try:
            async with asyncio.timeout(seconds):
                data = await self._socket.recv(decode=False)
            return self._parser.feed(data)
        except TimeoutError as error:
            await self.abort()
            raise ConnectionLost("the server has gone silent") from error
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

    async def _told_off(self, frame: Frame) -> ConnectionLost:
        """Return how the connection ends on an ERROR, once the close code is known as well."""
        told = refusal(frame.body, reason=frame.headers.get("message", ""))
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.wait_closed()
        except TimeoutError:
            await self.abort()
        reason = self._socket.close_reason or str(told)
        return ConnectionLost(reason, code=self._socket.close_code, refusal=told)


async def _open_socket(url: str, settings: ChatSettings) -> ClientConnection:
    try:
        return await connect(
            url,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            open_timeout=settings.connect_seconds,
            # Heart-beats of STOMP do this; and a pong would not be seen while a slow reader holds
            # up the connection.
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS,
            max_size=settings.frame_bytes + Limits().head_bytes,
        )
    except InvalidStatus as error:
        answer = error.response
        if is_final(answer.status_code) or answer.status_code < HTTPStatus.BAD_REQUEST:
            raise _refused(bytes(answer.body or b""), answer.status_code) from error
        raise NotReachable(
            f"the server refuses connections for now (status {answer.status_code})",
            retry_after_seconds=retry_after_seconds(answer.headers.get("Retry-After")),
        ) from error
    except ImportError as error:
        # websockets needs another package for this proxy's protocol.
        raise NotReachable(f"no connection to {url} by the proxy in ALL_PROXY: {error}") from error
    except (OSError, EOFError, InvalidHandshake) as error:
        raise NotReachable(f"no connection to {url}: {error!s}") from error


def _refused(body: bytes, status: int) -> Refused:
    return refusal(body, status=status, reason=f"the WebSocket was refused with status {status}")


def _lost(error: ConnectionClosed) -> ConnectionLost:
    if error.rcvd is None:
        return ConnectionLost("the connection broke off", code=1006)
    return ConnectionLost(error.rcvd.reason or "closed by the server", code=error.rcvd.code)
