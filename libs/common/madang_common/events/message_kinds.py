"""The kinds of events that make up the life of a message.

`madang_fold` computes a message's state from them. A field that is not set is not in the event.
"""

from typing import Annotated, Any

from pydantic import Field

from madang_common.events.data import ALICE, ROOM, Audience, Data
from madang_common.events.fields import EventId, Id

_MESSAGE = "000000000800"
"""Id of the message in the examples."""

MessageType = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
Meta = dict[str, Any]
Mentions = list[Annotated[str, Field(min_length=1, max_length=64)]]
Emoji = Annotated[str, Field(min_length=1, max_length=64)]

EVERYBODY = "@room"
"""In `mentions`: all members of the room."""


class MessageCreated(
    Data,
    kind="message.created",
    requires_membership=True,
    unread=True,
    example={"text": "안녕하세요, everyone 👋"},
):
    """A member sent a message to the room."""

    text: str
    """Plain text, up to the gateway's limit in bytes; empty if `redacted`."""
    type: MessageType = "text"
    """What the message is to the application; `text` if not set."""
    meta: Meta = Field(default_factory=dict)
    """The application's own data."""
    reply_to: EventId | None = None
    """Id of the message that this one answers."""
    thread: EventId | None = None
    """Id of the message whose thread this one belongs to."""
    mentions: Mentions = Field(default_factory=list)
    """Ids of the mentioned members, set by the gateway; `@room` mentions all of them."""
    redacted: bool = False
    """Whether the message was deleted later: text, meta and mentions are gone."""


class MessageEdited(
    Data,
    kind="message.edited",
    requires_membership=True,
    example={"message": _MESSAGE, "text": "안녕하세요, everybody 👋"},
):
    """The author changed a message; fields that are not set stay as they were."""

    message: EventId
    text: str | None = None
    meta: Meta | None = None
    mentions: Mentions | None = None
    redacted: bool = False
    """Whether the message was deleted later: text, meta and mentions are gone."""


class MessageDeleted(
    Data,
    kind="message.deleted",
    requires_membership=True,
    example={"message": _MESSAGE, "reason": "sent to the wrong room"},
):
    """The author, a moderator or an owner deleted a message: its content is gone for good."""

    message: EventId
    reason: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class ReactionAdded(
    Data,
    kind="reaction.added",
    requires_membership=True,
    example={"message": _MESSAGE, "emoji": "👍"},
):
    """A member reacted to a message."""

    message: EventId
    emoji: Emoji


class ReactionRemoved(
    Data,
    kind="reaction.removed",
    requires_membership=True,
    example={"message": _MESSAGE, "emoji": "👍"},
):
    """A member took a reaction back."""

    message: EventId
    emoji: Emoji


class MessagePinned(
    Data,
    kind="message.pinned",
    requires_membership=True,
    example={"message": _MESSAGE},
):
    """A moderator or an owner pinned a message to the room."""

    message: EventId


class MessageUnpinned(
    Data,
    kind="message.unpinned",
    requires_membership=True,
    example={"message": _MESSAGE},
):
    """A moderator or an owner unpinned a message."""

    message: EventId


class MentionReceived(
    Data,
    kind="mention.received",
    audience=Audience.USER,
    example={"room": ROOM, "message": _MESSAGE, "by": ALICE},
):
    """Somebody mentioned you in a message."""

    room: Id
    message: EventId
    by: Id
