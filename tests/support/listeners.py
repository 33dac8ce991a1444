"""Hundreds of listeners: each a bare WebSocket that reconnects with `since` until it is stopped.

The SDK does more for its user, and costs more than a thousand of them can have on one machine.
"""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

_MESSAGE = re.compile(rb"(?:^|\n)message-id:(\w+)\n")
_SAID = b'"kind":"message.created"'
_LONGEST_PAUSE_SECONDS = 0.5
_CONNECT_SECONDS = 30.0
_LOOK_SECONDS = 0.02


class Attention:
    """How long the process of the listeners, busy or kept from the processor, did not listen."""

    def __init__(self) -> None:
        self.lapsed = 0.0
        """Seconds in all."""

    async def watch(self) -> None:
        """Add up what each wait takes too long, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            await asyncio.sleep(_LOOK_SECONDS)
            late = clock() - begun - _LOOK_SECONDS
            if late > _LOOK_SECONDS:
                self.lapsed += late


@dataclass
class Listener:
    """A subscriber of one room, over any number of connections."""

    url: str
    room: str
    token: Callable[[], str]
    heard: list[str] = field(default_factory=list)
    """Ids of messages in the order in which they came."""
    codes: list[int] = field(default_factory=list)
    """With which its connections were closed."""
    refusals: int = 0
    """Upgrades that were not taken."""
    longest_silence: float = 0.0
    """Longest time in seconds between two messages."""
    told: Callable[[bytes], object] = bytes
    """Called with each message when it has come, as one frame of STOMP."""
    longest_wait: float = 0.0
    """The same without the time in which the whole process did not run."""
    attention: Attention = field(default_factory=Attention)
    """Shared by those of one process."""
    _since: str = "start"
    _last_at: float = 0.0
    _lapsed: float = 0.0

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            pause = random.uniform(0, _LONGEST_PAUSE_SECONDS)
            try:
                async with connect(
                    self.url,
                    subprotocols=[Subprotocol("v12.stomp")],
                    compression=None,
                    ping_interval=None,
                    open_timeout=_CONNECT_SECONDS,
                    max_size=None,
                    close_timeout=1,
                    ssl=_context() if self.url.startswith("wss:") else None,
                ) as socket:
                    await self._follow(socket)
            except ConnectionClosed as closed:
                self.codes.append(1006 if closed.rcvd is None else closed.rcvd.code)
            except InvalidStatus as refused:
                self.refusals += 1
                pause += float(refused.response.headers.get("Retry-After", "0"))
            except (OSError, EOFError, TimeoutError, WebSocketException):
                self.refusals += 1
            await asyncio.sleep(pause)

    async def _follow(self, socket: ClientConnection) -> None:
        await socket.send(
            f"CONNECT\naccept-version:1.2\nhost:x\npasscode:{self.token()}\n\n\0"
            f"SUBSCRIBE\nid:s\ndestination:/topic/rooms.{self.room}\nsince:{self._since}\n\n\0"
        )
        clock = asyncio.get_running_loop().time
        while True:
            # Frames of one turn leave in one write, each in a WebSocket message of its own.
            data = await socket.recv(decode=False)
            found = _MESSAGE.search(data)
            if found is None:
                continue
            self._since = found[1].decode()
            if _SAID in data:
                now = clock()
                if self.heard:
                    silence = now - self._last_at
                    own = self.attention.lapsed - self._lapsed
                    self.longest_silence = max(self.longest_silence, silence)
                    self.longest_wait = max(self.longest_wait, silence - own)
                self._last_at, self._lapsed = now, self.attention.lapsed
                self.heard.append(self._since)
                self.told(data)


def _context() -> ssl.SSLContext:
    global _shared  # noqa: PLW0603 - to read the certificates a thousand times takes seconds
    if _shared is None:
        _shared = ssl.create_default_context()
    return _shared


_shared: ssl.SSLContext | None = None


@asynccontextmanager
async def listening(*listeners: Listener) -> AsyncIterator[None]:
    """Let all of them listen meanwhile."""
    attention = Attention()
    for listener in listeners:
        listener.attention = attention
    tasks = [asyncio.create_task(listener.listen()) for listener in listeners]
    tasks.append(asyncio.create_task(attention.watch()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [error for error in ended if isinstance(error, Exception)]
        assert not broken, broken
