"""The session of a subscription, as the subscriber uses it."""

from collections.abc import Mapping
from typing import Protocol

from madang_common.problems import Problem
from madang_common.tokens.claims import Claims
from madang_gateway.fanout.recipient import Recipient
from madang_gateway.limits.budget import Account
from madang_gateway.subscribe.subscription_set import SubscriptionSet


class Output(Recipient, Protocol):
    """A connection's writing side with flow control."""

    async def drained(self) -> None:
        """Return when the peer has read most of the output."""
        ...


class SubscribingSession(Protocol):
    """The session that subscribes."""

    @property
    def output(self) -> Output:
        """The writing side of its connection."""
        ...

    @property
    def account(self) -> Account:
        """The allowance that pays for replays."""
        ...

    @property
    def subscriptions(self) -> SubscriptionSet:
        """Its open subscriptions."""
        ...

    @property
    def claims(self) -> Claims:
        """The claims of its user."""
        ...

    @property
    def version(self) -> str:
        """The negotiated STOMP version."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        ...

    def receipt(self, receipt_id: str | None, headers: Mapping[str, str]) -> None:
        """Send a RECEIPT, if the client requested one."""
        ...

    def refuse_subscription(
        self, subscription_id: str, problem: Problem, receipt_id: str | None, room: str
    ) -> None:
        """Remove the subscription and send the refusal."""
        ...

    def buffer_unacknowledged(self, size: int) -> bool:
        """Count `size` more bytes (fewer if negative) buffered for ACKs.

        Returns whether that is within the quota; if not, the session ends.
        """
        ...
