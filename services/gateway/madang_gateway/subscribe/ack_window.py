"""Window of unacknowledged messages between the hub and a connection."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from typing_extensions import override

from madang_common.problems import InvalidRequest
from madang_gateway.fanout.recipient import AckRecipient, Recipient
from madang_gateway.protocol.stomp.events import Subscribe
from madang_gateway.subscribe.inflight import Inflight

_AUTO = "auto"
_CLIENT = "client"
_MAX_DIGITS = 9
_INFLIGHT_BYTES = 100
"""Memory of a message in flight."""


class AckWindow(AckRecipient):
    """Recipient of a subscription whose messages the client acknowledges.

    With a prefetch count, at most so many messages are in flight; later ones are queued here. The
    queue counts towards the client's buffer quota.
    """

    __slots__ = (
        "_add_buffered",
        "_counted",
        "_drained",
        "_inflight",
        "_output",
        "_prefetch",
        "_queue",
        "_queue_bytes",
    )

    def __init__(
        self,
        output: Recipient,
        *,
        cumulative: bool,
        prefetch: int,
        max_inflight: int,
        add_buffered: Callable[[int], bool],
    ) -> None:
        """Let `prefetch` messages be in flight, any number if 0; track `max_inflight` of them.

        `add_buffered` takes the change in buffered bytes and returns whether they are within the
        quota.
        """
        self._output = output
        self._prefetch = prefetch
        self._inflight = Inflight(cumulative=cumulative, limit=max_inflight)
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queue_bytes = 0
        self._add_buffered = add_buffered
        self._counted = 0
        """Bytes reported to `add_buffered`."""
        self._drained: asyncio.Future[None] | None = None

    @property
    @override
    def user(self) -> str:
        return self._output.user

    @property
    @override
    def behind(self) -> bool:
        return self._output.behind

    @property
    @override
    def compressed(self) -> bool:
        return self._output.compressed

    @property
    @override
    def sockjs(self) -> bool:
        return self._output.sockjs

    @property
    def read_up_to(self) -> int | None:
        """Newest consumed message with no unsettled one before it."""
        return self._inflight.read_up_to

    @override
    def write(self, frames: bytes) -> None:
        self._output.write(frames)

    @override
    def offer(self, messages: Iterable[tuple[int, bytes]]) -> None:
        queue = self._queue
        for position, frame in messages:
            if queue or not self._has_capacity:
                queue.append((position, frame))
                self._queue_bytes += len(frame)
                if not self._count():
                    # The session is about to end.
                    return
            else:
                self._inflight.sent(position)
                self._output.write(frame)
        self._count()

    def sent_already(self, position: int) -> bool:
        """Return whether the message at `position` was sent, as far as it is tracked."""
        return self._inflight.sent_already(position)

    def settle(self, position: int, *, consumed: bool) -> None:
        """Apply an ACK, or a NACK if not `consumed`; send queued messages."""
        self._inflight.settle(position, consumed=consumed)
        while self._queue and self._has_capacity:
            later, frame = self._queue.popleft()
            self._queue_bytes -= len(frame)
            self._inflight.sent(later)
            self._output.write(frame)
        if not self._queue and self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
        self._count()

    async def drained(self) -> None:
        """Return when the queue is empty."""
        while self._queue:
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._drained)

    def end(self) -> None:
        """Drop the queue."""
        self._queue.clear()
        self._add_buffered(-self._counted)
        self._counted = 0

    def _count(self) -> bool:
        """Report the buffered bytes; return whether they are within the quota."""
        size = self._queue_bytes + len(self._inflight) * _INFLIGHT_BYTES
        change, self._counted = size - self._counted, size
        return self._add_buffered(change) if change else True

    @property
    def _has_capacity(self) -> bool:
        return not self._prefetch or self._inflight.unsettled < self._prefetch


def prefetch_count(frame: Subscribe, max_messages: int) -> int:
    """Return a SUBSCRIBE's `prefetch-count`, 0 without one; raise InvalidRequest if invalid."""
    text = frame.headers.get("prefetch-count", "0")
    number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not number or int(text) > max_messages:
        raise InvalidRequest(f"prefetch-count must be a number up to {max_messages}.")
    return int(text)


def create_ack_window(
    output: Recipient,
    frame: Subscribe,
    *,
    max_messages: int,
    add_buffered: Callable[[int], bool],
) -> AckWindow | None:
    """Return the ACK window that `frame` requests, None in ack mode `auto`."""
    if frame.ack == _AUTO:
        return None
    return AckWindow(
        output,
        cumulative=frame.ack == _CLIENT,
        prefetch=prefetch_count(frame, max_messages),
        max_inflight=max_messages,
        add_buffered=add_buffered,
    )
