"""Sends events to the subscriptions of their audience."""

from collections.abc import Sequence
from typing import cast

from madang_common.events.envelope import Event
from madang_gateway.fanout.encoding import PositionedEvent, encode
from madang_gateway.fanout.hub import Hub
from madang_gateway.fanout.recipient import AckRecipient
from madang_gateway.metrics import Metrics


class Broadcaster:
    """Encodes each event once per encoding key and sends the same bytes to every recipient."""

    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics

    def events(self, audience: str, events: Sequence[PositionedEvent]) -> None:
        """Send events of the log, all of one audience, oldest first."""
        count = 0
        present: int | None = None
        for key, recipients in self._hub.groups(audience):
            if key.mapping is not None and present is None:
                present = self.present(audience)
            encoded = [
                encode(key, positioned.event, positioned.id, positioned.body, present or 0)
                for positioned in events
            ]
            frames = b"".join(encoded)
            if not frames:
                continue
            if key.acknowledged:
                positions = (positioned.position for positioned in events)
                messages = [pair for pair in zip(positions, encoded, strict=True) if pair[1]]
                for recipient in recipients:
                    cast(AckRecipient, recipient).offer(messages)
            else:
                for recipient in recipients:
                    recipient.write(frames)
            count += len(recipients)
        if count:
            self._metrics.deliveries.inc(count * len(events))

    def live_event(self, audience: str, event: Event, message_id: str, body: bytes) -> None:
        """Send a live event to the recipients of `audience` that are not behind."""
        present: int | None = None
        for key, recipients in self._hub.groups(audience):
            if key.mapping is not None and present is None:
                present = self.present(event.audience)
            frame = encode(key, event, message_id, body, present or 0)
            for recipient in recipients:
                if recipient.behind:
                    self._metrics.notices_dropped.inc()
                elif frame:
                    recipient.write(frame)

    def reaches(self, audience: str) -> bool:
        """Return whether `audience` has a subscription here."""
        return audience in self._hub.audiences

    def present(self, audience: str) -> int:
        """Return the number of users subscribed to `audience` here; visits every recipient."""
        groups = self._hub.groups(audience)
        return len({recipient.user for _, recipients in groups for recipient in recipients})
