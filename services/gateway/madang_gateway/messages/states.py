"""Cache of the present state of messages, kept current by the events of the log."""

from collections import OrderedDict

from madang_common.events.message_kinds import MessageDeleted, ReactionAdded, ReactionRemoved
from madang_fold import Message, RoomEvent, fold

_MESSAGE_BYTES = 800
_USER_BYTES = 100
"""Estimates: a message without content, and a user who reacted to it."""


_APPLIED = frozenset({MessageDeleted.kind, ReactionAdded.kind, ReactionRemoved.kind})
"""The kinds that change what is checked; edits, pins and replies do not."""


class MessageStates:
    """States of messages by audience and id, as far as changes are checked by them; LRU.

    Author, time, thread, reactions and deletion are those after every event of the log that this
    gateway has applied.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Drop the least recently used states when they exceed about `limit_bytes`."""
        self._limit_bytes = limit_bytes
        self._states: OrderedDict[str, Message] = OrderedDict()
        self.bytes = 0
        """Estimated size of all states."""

    def __len__(self) -> int:
        return len(self._states)

    def get(self, audience: str, message: str) -> Message | None:
        """Return the state of a message and count that as a use; None if it is not cached."""
        key = _key(audience, message)
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def put(self, audience: str, state: Message) -> None:
        """Cache a state that includes every event applied so far."""
        key = _key(audience, state.id)
        replaced = self._states.pop(key, None)
        self._states[key] = state = _without_content(state)
        self._count(state, replaced)

    def apply(self, audience: str, message: str, event: RoomEvent) -> None:
        """Apply the next event of `audience`, which targets `message`, if that is cached."""
        if event.kind not in _APPLIED:
            return
        key = _key(audience, message)
        state = self._states.get(key)
        if state is not None:
            self._states[key] = changed = fold(state, event) or state
            self._count(changed, state)

    def _count(self, state: Message, replaced: Message | None) -> None:
        """Count `state` in place of `replaced`; drop the least recently used if there are too many.

        The last one stays.
        """
        self.bytes += _size(state) - (0 if replaced is None else _size(replaced))
        while self.bytes > self._limit_bytes and len(self._states) > 1:
            _, dropped = self._states.popitem(last=False)
            self.bytes -= _size(dropped)

    def clear(self) -> None:
        """Drop all states."""
        self._states.clear()
        self.bytes = 0


def _key(audience: str, message: str) -> str:
    # An id is unique within a shard only.
    return f"{audience} {message}"


def _without_content(state: Message) -> Message:
    """Return `state` without what no check needs, which is most of its size."""
    return state._replace(text=None, meta={}, attachments=(), mentions=())


def _size(state: Message) -> int:
    return _MESSAGE_BYTES + _USER_BYTES * sum(map(len, state.reactions.values()))
