"""One open SUBSCRIBE of one session."""

import asyncio
from dataclasses import dataclass, field

from madang_gateway.destinations import Topic
from madang_gateway.shapes import Shape


@dataclass(slots=True, eq=False)
class Subscription:
    """Where it stands in the roster, and what still fills it."""

    id: str
    topic: Topic
    shape: Shape
    audiences: tuple[str, ...]
    """Audiences in the roster that it receives."""
    resuming: asyncio.Task[None] | None = field(default=None)
    """Sends what was missed; the subscription is in the roster only when that is done."""
    ended: bool = False
