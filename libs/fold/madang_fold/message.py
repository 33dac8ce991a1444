"""The state of a message.

The types are NamedTuples: one is built for every message that is ingested, and a frozen dataclass
of this size takes seven times as long.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

MAX_PARTICIPANTS: Final = 5
"""Most users that the summary of a thread names."""
DEFAULT_TYPE: Final = "text"
EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


class ThreadSummary(NamedTuple):
    """The replies to a message that is the root of a thread."""

    replies: int
    """How many replies were created; deleted ones count."""
    last_reply: str
    """Id of the newest reply."""
    last_reply_at: str
    participants: tuple[str, ...]
    """The first distinct senders of replies, at most MAX_PARTICIPANTS."""


class Message(NamedTuple):
    """The state of a message after the event `version`; a value, never changed in place."""

    id: str
    """Id of the event that created it."""
    version: str
    """Id of the last event that targeted it, whether or not it had an effect."""
    sender: str
    """The author's id."""
    sender_name: str
    """The author's name when the message was created."""
    at: str
    """When it was created; RFC 3339."""
    type: str = DEFAULT_TYPE
    text: str | None = None
    """Its text, never empty; None if it is deleted, or will be by a later event."""
    meta: Mapping[str, Any] = EMPTY
    """The application's own JSON object."""
    reply_to: str | None = None
    """Id of the earlier message that it answers."""
    thread: str | None = None
    """Id of the root of the thread that it belongs to, an earlier message."""
    attachments: tuple[Mapping[str, Any], ...] = ()
    mentions: tuple[str, ...] = ()
    edited_at: str | None = None
    deleted_at: str | None = None
    deleted_by: str | None = None
    """Id of the user who deleted it: the author, or anyone who was permitted to."""
    reason: str | None = None
    """Why it was deleted."""
    reactions: Mapping[str, tuple[str, ...]] = EMPTY
    """Ids of users by emoji, both in order of arrival; no emoji without users."""
    pinned_at: str | None = None
    pinned_by: str | None = None
    thread_summary: ThreadSummary | None = None
    """The replies of which this is the root; None if there are none."""

    @property
    def deleted(self) -> bool:
        """Whether the message was deleted."""
        return self.deleted_at is not None
