"""Writing side of a connection: one write per turn of the event loop, and flow control."""

import asyncio
from typing import Protocol

from websockets import protocol as websockets_protocol

from madang_gateway.limits.budget import Account, BufferQuota
from madang_gateway.node.write_scheduler import WriteScheduler


class OverflowHandler(Protocol):
    """The connection of a writer."""

    def output_overflowed(self, exceeded: BufferQuota) -> None:
        """Handle unsent bytes over a quota."""
        ...


class FrameWriter:
    """Coalesces WebSocket frames; counts bytes that the peer has not read yet."""

    __slots__ = (
        "_account",
        "_close_seconds",
        "_drained",
        "_frames",
        "_overflow_handler",
        "_scheduler",
        "_transport",
        "_unsent",
        "behind",
        "compressed",
        "sent",
        "sockjs",
        "user",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        scheduler: WriteScheduler,
        account: Account,
        overflow_handler: OverflowHandler,
        *,
        compressed: bool,
        sockjs: bool,
        close_seconds: float,
    ) -> None:
        """Report unsent bytes over a quota of `account` to `overflow_handler`.

        A connection that is not closed after `close_seconds` is aborted.
        """
        self._transport = transport
        self._scheduler = scheduler
        self._account = account
        self._overflow_handler: OverflowHandler | None = overflow_handler
        self._close_seconds = close_seconds
        self._frames: list[bytes] = []
        self._drained: asyncio.Future[None] | None = None
        self._unsent = 0
        """Unsent bytes reported to the account."""
        self.user = ""
        """Id of the user, empty before CONNECT."""
        self.behind = False
        """Whether the peer reads too slowly for live events."""
        self.compressed = compressed
        """Whether the peer reads compressed messages."""
        self.sockjs = sockjs
        """Whether the peer reads SockJS frames."""
        self.sent = False
        """Whether anything was sent since the last tick."""

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        pending = self._frames
        if not pending:
            self._scheduler.add(self)
        pending.append(frames)

    def flush(self) -> None:
        """Write pending frames to the transport; a peer that does not read may exceed a quota."""
        frames = self._frames
        if not frames or self._transport.is_closing():
            frames.clear()
            return
        self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))
        frames.clear()
        self.sent = True
        if self.behind:
            self._count_unsent()

    def send_control(self, protocol: websockets_protocol.Protocol) -> None:
        """Send the output of `protocol`: pings, pongs, close frames, the end of the connection."""
        chunks = protocol.data_to_send()
        if not chunks:
            return
        self.flush()
        for chunk in chunks:
            if chunk:
                self._transport.write(chunk)
            else:
                close_gracefully(self._transport, self._close_seconds)
        self._count_unsent()

    def pause(self) -> None:
        """Handle a full buffer of the transport."""
        self.behind = True

    def resume(self) -> None:
        """Handle a drained buffer of the transport."""
        self.behind = False
        self._count_unsent()
        self._wake()

    async def drained(self) -> None:
        """Return when the peer has read most of the output."""
        self.flush()
        while self.behind and not self._transport.is_closing():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)
            # Another waiter may have written more meanwhile.
            self.flush()

    def close(self) -> None:
        """Drop pending frames and wake all waiters: the connection is gone."""
        self._frames.clear()
        self._overflow_handler = None
        self._wake()

    def _count_unsent(self) -> None:
        if self._overflow_handler is None:
            return
        unsent = self._transport.get_write_buffer_size()
        quota = self._account.add_buffered(unsent - self._unsent)
        self._unsent = unsent
        if quota is not BufferQuota.WITHIN:
            self._overflow_handler.output_overflowed(quota)

    def _wake(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None


def close_gracefully(transport: asyncio.Transport, seconds: float) -> None:
    """Close once the output is sent; abort after `seconds`."""
    transport.close()
    asyncio.get_running_loop().call_later(seconds, transport.abort)
