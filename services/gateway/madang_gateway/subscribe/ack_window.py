"""Subscriptions whose messages wait for an ACK: what was sent, what may be sent, what is read."""

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
_DIGITS = 9
_REMEMBERED_BYTES = 100
"""Memory of one remembered message."""


class AckWindow(AckRecipient):
    """A subscription's own place in the roster, between the log and its connection.

    With a window, no more than so many messages are under way; the others wait here, within
    bounds: whoever never answers is a slow reader.
    """

    __slots__ = (
        "_keep",
        "_kept",
        "_link",
        "_room",
        "_unacknowledged",
        "_waiting",
        "_waiting_bytes",
        "_window",
    )

    def __init__(
        self,
        link: Recipient,
        *,
        cumulative: bool,
        window: int,
        remembered: int,
        keep: Callable[[int], bool],
    ) -> None:
        """Let `window` messages be under way, any number if 0, and remember `remembered` of them.

        `keep` is told how many bytes more are kept here, or less, and tells whether they may be.
        """
        self._link = link
        self._window = window
        self._unacknowledged = Inflight(cumulative=cumulative, limit=remembered)
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._keep = keep
        self._kept = 0
        """Bytes that `keep` knows of."""
        self._room: asyncio.Future[None] | None = None

    @property
    @override
    def user(self) -> str:
        return self._link.user

    @property
    @override
    def behind(self) -> bool:
        return self._link.behind

    @property
    @override
    def compressed(self) -> bool:
        return self._link.compressed

    @property
    @override
    def sockjs(self) -> bool:
        return self._link.sockjs

    @property
    def read_up_to(self) -> int | None:
        """The newest message that was consumed and has none before it that waits."""
        return self._unacknowledged.read_up_to

    @override
    def write(self, frames: bytes) -> None:
        self._link.write(frames)

    @override
    def offer(self, messages: Iterable[tuple[int, bytes]]) -> None:
        waiting = self._waiting
        for position, frame in messages:
            if waiting or not self._open:
                waiting.append((position, frame))
                self._waiting_bytes += len(frame)
                if not self._count():
                    # The connection is about to be closed; nothing more has to be kept for it.
                    return
            else:
                self._unacknowledged.sent(position)
                self._link.write(frame)
        self._count()

    def sent_already(self, position: int) -> bool:
        """Tell whether the message at `position` was sent, as far as that is remembered."""
        return self._unacknowledged.sent_already(position)

    def answer(self, position: int, *, consumed: bool) -> None:
        """Take an ACK, or a NACK if not `consumed`, and send what may be sent now."""
        self._unacknowledged.answer(position, consumed=consumed)
        while self._waiting and self._open:
            later, frame = self._waiting.popleft()
            self._waiting_bytes -= len(frame)
            self._unacknowledged.sent(later)
            self._link.write(frame)
        if not self._waiting and self._room is not None:
            self._room.set_result(None)
            self._room = None
        self._count()

    async def drained(self) -> None:
        """Return when nothing waits here."""
        while self._waiting:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def end(self) -> None:
        """Drop everything kept."""
        self._waiting.clear()
        self._keep(-self._kept)
        self._kept = 0

    def _count(self) -> bool:
        """Tell how much is kept; return whether that is within bounds."""
        kept = self._waiting_bytes + len(self._unacknowledged) * _REMEMBERED_BYTES
        more, self._kept = kept - self._kept, kept
        return self._keep(more) if more else True

    @property
    def _open(self) -> bool:
        return not self._window or self._unacknowledged.waiting < self._window


def window_of(frame: Subscribe, most: int) -> int:
    """Return the `prefetch-count` of a SUBSCRIBE, 0 for none; raise InvalidRequest if it is bad."""
    text = frame.headers.get("prefetch-count", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS and int(text) <= most):
        raise InvalidRequest(f"prefetch-count must be a number up to {most}.")
    return int(text)


def acknowledging(
    link: Recipient,
    frame: Subscribe,
    *,
    most: int,
    keep: Callable[[int], bool],
) -> AckWindow | None:
    """Return the place of a subscription that `frame` wants to acknowledge, if it does."""
    if frame.ack == _AUTO:
        return None
    return AckWindow(
        link,
        cumulative=frame.ack == _CLIENT,
        window=window_of(frame, most),
        remembered=most,
        keep=keep,
    )
