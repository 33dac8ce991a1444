"""Which events make a message, for every adapter of the store.

A store keeps two things: the events, which never change, and the current state of each message,
which starts as the event that created it. Both are written in the same idempotent step.
"""

from madang_common.events.envelope import Event
from madang_common.events.message_kinds import MessageCreated


def creates_message(event: Event) -> bool:
    """Return whether `event` creates a message that people can read."""
    return (
        event.kind == MessageCreated.kind
        and event.room is not None
        and isinstance(event.data.get("text"), str)
    )
