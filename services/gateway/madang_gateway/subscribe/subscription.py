"""One open SUBSCRIBE of one session."""

import asyncio
from dataclasses import dataclass, field

from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.fanout.recipient import Recipient
from madang_gateway.protocol.destinations import Topic
from madang_gateway.subscribe.ack_window import AckWindow


@dataclass(slots=True, eq=False)
class Subscription:
    """Where it stands in the roster, and what still fills it."""

    id: str
    topic: Topic
    shape: EncodingKey
    audiences: tuple[str, ...]
    """Audiences in the roster that it receives."""
    recipient: Recipient
    """Where its messages go: the connection, or what keeps an account of them on the way there."""
    acknowledging: AckWindow | None = None
    """That recipient, if messages wait for their ACK."""
    marks_read: bool = False
    """Whether an ACK moves the user's read marker."""
    resuming: asyncio.Task[None] | None = field(default=None)
    """Sends what was missed; the subscription is in the roster only when that is done."""
    ended: bool = False
