"""Input side of a session: from received bytes to frames, handled in order.

bytes ──▶ STOMP events ──▶ frame queue ──▶ handle
              └── read only while the account has an allowance, the queue is not full
                  and the session is not about to end
"""

import asyncio
import time
from abc import ABC, abstractmethod

from madang_common.problems import Problem
from madang_common.tokens.claims import Claims
from madang_gateway.limits import budget
from madang_gateway.limits.budget import Account, BufferQuota
from madang_gateway.protocol.stomp.connection import ServerConnection
from madang_gateway.protocol.stomp.errors import ProtocolError
from madang_gateway.protocol.stomp.frame import HeartBeat
from madang_gateway.session.buffering import Buffered, Received, overflow, queue_entry
from madang_gateway.session.context import SessionContext
from madang_gateway.session.disconnects import Disconnect
from madang_gateway.session.frame_queue import FrameQueue, Pending
from madang_gateway.session.transport import Transport


class FrameReceiver(ABC):
    """Base of a session: reads frames within its limits and passes them to `handle` in order."""

    __slots__ = (
        "_claims",
        "_context",
        "_frame_queue",
        "_queue_full",
        "_reading",
        "_stopped",
        "_throttled",
        "_transport",
        "account",
        "closed",
        "stomp",
        "unread_changed",
    )

    def __init__(self, context: SessionContext, transport: Transport, account: Account) -> None:
        settings = context.settings
        heartbeat = int(settings.heartbeat_seconds * 1000)
        self.account = account
        self.closed = False
        """Whether the session has ended."""
        self.stomp = ServerConnection(context.limits, transport.versions, (heartbeat, heartbeat))
        self.unread_changed = False
        """Whether `stomp.unread_bytes` may have changed since the connection last counted it."""
        self._claims: Claims | None = None
        self._context = context
        self._transport = transport
        self._frame_queue: FrameQueue[Received] = FrameQueue(
            settings.backlog_frames, settings.backlog_bytes
        )
        self._queue_full = self._stopped = False
        self._throttled = False
        """Whether reading is paused until the account has an allowance again."""
        self._reading = True
        """Whether none of these three pauses reading."""

    def receive(self, data: bytes) -> None:
        """Handle received bytes; frames beyond the allowance stay for a later call.

        Fast path for a complete SEND; everything else goes to `ServerConnection.receive`.
        """
        claims, account = self._claims, self.account
        if claims is not None and claims.expires_at <= time.time():
            # At once, not at the next tick.
            self.check_deadlines()
            return
        if account.left >= 1 and self._reading:
            send = self.stomp.receive_send(data)
            if send is not None:
                account.left -= budget.FRAME
                self._frame_queue.submit(self, send)
                return
        self.unread_changed = True
        try:
            # Events that are not taken here come with the next call.
            events = self.stomp.receive(data)
            while self._may_read():
                event = next(events, None)
                if event is None:
                    return
                account.left -= budget.FRAME
                if not isinstance(event, HeartBeat):
                    self._frame_queue.submit(self, event)
        except ProtocolError as error:
            self._frame_queue.submit(self, error)

    def throttle(self) -> None:
        """Pause reading until the account has an allowance; before CONNECTED, end the session."""
        if self.closed or self._throttled:
            return
        if self._claims is None and not self._frame_queue.busy:
            self.flooded()
            return
        self._throttled = True
        self._context.metrics.rests.inc()
        self._pause_reading()

    def resume_reading(self) -> None:
        """Resume reading, unless another reason to pause is left."""
        self._reading = not (self._throttled or self._queue_full or self._stopped)
        if self._reading:
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        self._reading = False
        self._transport.pause_reading()

    def _may_read(self) -> bool:
        """Return whether another frame may be read now; throttle without an allowance."""
        if not self._reading:
            return False
        if self.account.left >= 1 or self.account.draw():
            return True
        self.throttle()
        return False

    def _unthrottle(self) -> bool:
        """Return whether a throttled session has an allowance again."""
        if not self._throttled or not self.account.draw():
            return False
        self._throttled = False
        return True

    def _stop_reading(self) -> None:
        """Read nothing more."""
        self._stopped = True
        self._pause_reading()

    def queued(self, frame: Received) -> tuple[Received, int]:
        """Count a frame that has to wait as buffered."""
        waiting, size = queue_entry(frame, self._context.settings.message_bytes)
        self._add_buffered(size, Buffered.INPUT)
        return waiting, size

    def queue_full(self) -> None:
        """Stop reading until the queue is empty."""
        self._queue_full = True
        self._pause_reading()

    def queue_empty(self, size: int) -> None:
        """Resume reading; `size` bytes are no longer buffered."""
        self.account.add_buffered(-size)
        self._queue_full = False
        self.resume_reading()
        self.disconnect_if_done()

    def overflowed(self, exceeded: BufferQuota, buffered: Buffered) -> None:
        """Disconnect: more of `buffered` is held for the client than a quota allows."""
        if not self.closed:
            label, why, problem = overflow(exceeded, buffered)
            self._context.metrics.slow_closes.labels(label).inc()
            self.disconnect(why, problem)

    def _add_buffered(self, size: int, buffered: Buffered) -> bool:
        """Count `size` more bytes; return whether they are within the quota, else disconnect."""
        quota = self.account.add_buffered(size)
        if quota is BufferQuota.WITHIN:
            return True
        # Later: the caller iterates over the hub, or over received frames.
        asyncio.get_running_loop().call_soon(self.overflowed, quota, buffered)
        return False

    @abstractmethod
    def handle(self, frame: Received) -> Pending:
        """Handle a frame, or the protocol error after the last."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Handle an unexpected exception of `handle`."""

    @abstractmethod
    def disconnect_if_done(self) -> None:
        """Disconnect if the session should end and nothing is left to answer."""

    @abstractmethod
    def flooded(self) -> None:
        """End the session: the client used up its allowance before CONNECTED."""

    @abstractmethod
    def check_deadlines(self) -> None:
        """Disconnect if CONNECT is overdue or the token has expired."""

    @abstractmethod
    def disconnect(self, why: Disconnect, error: Problem | ProtocolError | None = None) -> None:
        """Send the client the reason, with an ERROR frame if `error` is given, and close."""
