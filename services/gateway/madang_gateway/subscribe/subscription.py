"""One open SUBSCRIBE of one session."""

import asyncio
from dataclasses import dataclass, field

from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.fanout.recipient import Recipient
from madang_gateway.protocol.destinations import Topic
from madang_gateway.subscribe.ack_window import AckWindow


@dataclass(slots=True, eq=False)
class Subscription:
    """A subscription and its place in the hub."""

    id: str
    topic: Topic
    encoding_key: EncodingKey
    audiences: tuple[str, ...]
    """Audiences of the hub that it receives."""
    recipient: Recipient
    """Receives its messages: the connection's output, or the ACK window in front of it."""
    ack_window: AckWindow | None = None
    """The recipient, if the client acknowledges messages."""
    marks_read: bool = False
    """Whether an ACK moves the user's read marker."""
    replay_task: asyncio.Task[None] | None = field(default=None)
    """Replays missed events; the subscription enters the hub when it is done."""
    ended: bool = False
