"""Handing events to the connections that follow their audience."""

from collections.abc import Iterable, Sequence
from typing import Protocol, cast

from madang_common.events.envelope import Event
from madang_gateway.fanout.encoding import EncodingKey, PositionedEvent, encode
from madang_gateway.fanout.hub import Hub
from madang_gateway.metrics import Metrics


class Recipient(Protocol):
    """A connection, as far as deliveries are concerned."""

    @property
    def user(self) -> str:
        """Id of its user."""
        ...

    @property
    def behind(self) -> bool:
        """Whether it reads too slowly for live notices."""
        ...

    @property
    def compressed(self) -> bool:
        """Whether it reads compressed messages."""
        ...

    @property
    def sockjs(self) -> bool:
        """Whether it reads SockJS frames."""
        ...

    def write(self, frames: bytes) -> None:
        """Send WebSocket frames at the end of this turn of the event loop."""
        ...


class AckRecipient(Recipient, Protocol):
    """The place of a subscription whose messages wait for an ACK."""

    def offer(self, messages: Iterable[tuple[int, bytes]]) -> None:
        """Send messages, each with its position, as far as what waits allows."""
        ...


Roster = Hub[EncodingKey, Recipient]
"""In shapes that are acknowledged, every recipient of events `AckRecipient`."""


class Broadcaster:
    """Writes each event once per shape and hands the same bytes to every recipient."""

    def __init__(self, roster: Roster, metrics: Metrics) -> None:
        self._roster = roster
        self._metrics = metrics

    def events(self, audience: str, placed: Sequence[PositionedEvent]) -> None:
        """Send events of the log, all of one audience, to whoever follows it."""
        count = 0
        present: int | None = None
        for shape, recipients in self._roster.groups(audience):
            if shape.mapping is not None and present is None:
                present = self.present(audience)
            encoded = [encode(shape, one.event, one.id, one.body, present or 0) for one in placed]
            frames = b"".join(encoded)
            if not frames:
                continue
            if shape.acknowledged:
                positions = (one.position for one in placed)
                messages = [pair for pair in zip(positions, encoded, strict=True) if pair[1]]
                for recipient in recipients:
                    cast(AckRecipient, recipient).offer(messages)
            else:
                for recipient in recipients:
                    recipient.write(frames)
            count += len(recipients)
        if count:
            self._metrics.deliveries.inc(count * len(placed))

    def notice(self, audience: str, event: Event, message_id: str, body: bytes) -> None:
        """Send a live notice to whoever follows `audience` and is not behind."""
        present: int | None = None
        for shape, recipients in self._roster.groups(audience):
            if shape.mapping is not None and present is None:
                present = self.present(event.audience)
            frame = encode(shape, event, message_id, body, present or 0)
            for recipient in recipients:
                if recipient.behind:
                    self._metrics.notices_dropped.inc()
                elif frame:
                    recipient.write(frame)

    def reaches(self, audience: str) -> bool:
        """Tell whether anybody here follows `audience`."""
        return audience in self._roster.audiences

    def present(self, audience: str) -> int:
        """Return how many users follow `audience` here; it takes a look at every recipient."""
        groups = self._roster.groups(audience)
        return len({recipient.user for _, recipients in groups for recipient in recipients})
