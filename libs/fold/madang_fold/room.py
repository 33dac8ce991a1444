"""The messages of a room, folded from its events."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from madang_fold.event import RoomEvent
from madang_fold.folding import changes
from madang_fold.message import Message


class RoomMessages:
    """Messages by id, oldest first; beyond `limit` the oldest are dropped.

    A dropped message does not come back when its events are repeated, and later events about it
    change nothing here.
    """

    def __init__(self, messages: Iterable[Message] = (), *, limit: int | None = None) -> None:
        """Start with `messages`, for example those of a page of history."""
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        self._limit = limit
        # Unlike a dict, it finds its first key at once after many were deleted.
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self.messages: Mapping[str, Message] = MappingProxyType(self._messages)
        """A view of the messages; it shows later changes."""
        for message in sorted(messages, key=lambda message: message.id):
            self._put(message)

    def apply(self, event: RoomEvent) -> tuple[Message, ...]:
        """Apply the next event, or repeat an earlier one; return the messages that it changed."""
        changed = changes(self._messages, event)
        return tuple([message for message in changed if self._put(message)])

    def _put(self, message: Message) -> bool:
        """Store `message`; return False if it belongs to those that were dropped."""
        messages = self._messages
        if message.id in messages or not messages:
            messages[message.id] = message
            return True
        if self._limit is not None and len(messages) >= self._limit:
            oldest = next(iter(messages))
            if message.id < oldest:
                return False
            del messages[oldest]
        in_order = not messages or message.id > next(reversed(messages))
        messages[message.id] = message
        if not in_order:
            ascending = sorted(messages.items())
            messages.clear()
            messages.update(ascending)
        return True


def fold_events(
    events: Iterable[RoomEvent], messages: Iterable[Message] = (), *, limit: int | None = None
) -> dict[str, Message]:
    """Return the messages by id, oldest first, after `events`; at most the newest `limit`.

    `messages` are the states before `events`.
    """
    room = RoomMessages(messages, limit=limit)
    for event in events:
        room.apply(event)
    return dict(room.messages)
