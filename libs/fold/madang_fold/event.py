"""Events of a room, as far as messages depend on them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

MESSAGE_CREATED = "message.created"
MESSAGE_EDITED = "message.edited"
MESSAGE_DELETED = "message.deleted"
MESSAGE_PINNED = "message.pinned"
MESSAGE_UNPINNED = "message.unpinned"
REACTION_ADDED = "reaction.added"
REACTION_REMOVED = "reaction.removed"

KINDS = frozenset(
    {
        MESSAGE_CREATED,
        MESSAGE_EDITED,
        MESSAGE_DELETED,
        MESSAGE_PINNED,
        MESSAGE_UNPINNED,
        REACTION_ADDED,
        REACTION_REMOVED,
    }
)
"""The kinds of events that change messages."""


class RoomEvent(NamedTuple):
    """A durable event whose audience is a room.

    All fields except `data` come from a validated envelope; `data` may hold any JSON.
    """

    id: str
    """Its position in the log: 12 base32hex digits, which sort as text."""
    kind: str
    sender: str
    """Id of a user, or `service:…`."""
    sender_name: str
    at: str
    """RFC 3339, UTC."""
    data: Mapping[str, Any]
