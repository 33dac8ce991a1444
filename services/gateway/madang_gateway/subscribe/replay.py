"""Replay of missed events to one subscription."""

import asyncio

from typing_extensions import override

from madang_gateway.fanout.encoding import PositionedEvent, encode
from madang_gateway.fanout.hub import Hub
from madang_gateway.limits.budget import BYTE, REPLAYED_EVENT
from madang_gateway.metrics import Metrics
from madang_gateway.subscribe.recovery import ReplayTarget, to_since
from madang_gateway.subscribe.subscribing_session import SubscribingSession
from madang_gateway.subscribe.subscription import Subscription

_MAX_SLEEP_SECONDS = 1.0
"""Longest sleep of a replay in debt before it checks the debt again."""


class SubscriptionReplay(ReplayTarget):
    """A subscription that is not in the hub yet."""

    def __init__(
        self,
        session: SubscribingSession,
        subscription: Subscription,
        hub: Hub,
        receipt_id: str | None,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._subscription = subscription
        self._hub = hub
        self._receipt_id = receipt_id
        self._metrics = metrics

    @override
    def begin(self, *, resumed: bool | None = None, position: int | None = None) -> None:
        headers = {"subscription": self._subscription.id}
        if position is not None:
            headers["position"] = to_since(position)
        if resumed is not None:
            headers["resumed"] = "true" if resumed else "false"
        self._session.receipt(self._receipt_id, headers)

    @override
    def deliver(self, events: list[PositionedEvent]) -> None:
        self._metrics.resumed.inc(len(events))
        size = sum(len(one.body) for one in events)
        self.charge(len(events) * REPLAYED_EVENT + size * BYTE)
        key, ack_window = self._subscription.encoding_key, self._subscription.ack_window
        encoded = [encode(key, one.event, one.id, one.body) for one in events]
        if ack_window is None:
            self._session.output.write(b"".join(encoded))
        else:
            pairs = zip(events, encoded, strict=True)
            ack_window.offer([(one.position, frame) for one, frame in pairs if frame])

    @override
    def go_live(self) -> None:
        subscription = self._subscription
        for audience in subscription.audiences:
            self._hub.add(audience, subscription.encoding_key, subscription.recipient)

    @override
    def charge(self, cost: float) -> None:
        self._session.account.spend(cost)

    @property
    @override
    def in_debt(self) -> bool:
        return self._session.account.debt_seconds > 0

    @override
    async def ready(self) -> None:
        account = self._session.account
        while seconds := account.debt_seconds:  # noqa: ASYNC110 - only time reduces a debt
            await asyncio.sleep(min(seconds, _MAX_SLEEP_SECONDS))
        if self._subscription.ack_window is not None:
            await self._subscription.ack_window.drained()
        await self._session.output.drained()
