"""Messages of a room in their present state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from madang_client.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Reaction:
    """The reactions to a message with one emoji."""

    emoji: str
    count: int
    mine: bool
    users: tuple[str, ...]
    """Ids of the users who reacted; in the order in which they reacted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message after all its changes; times are RFC 3339, UTC."""

    id: str
    """Id of the event that created it."""
    sender: str
    sender_name: str
    at: str
    type: str = "text"
    text: str = ""
    """Empty if deleted."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    mentions: tuple[str, ...] = ()
    reply_to: str | None = None
    thread: str | None = None
    edited_at: str | None = None
    deleted: bool = False
    deleted_at: str | None = None
    deleted_by: str | None = None
    reason: str | None = None
    """Why it was deleted."""
    reactions: tuple[Reaction, ...] = ()
    pinned_at: str | None = None
    pinned_by: str | None = None
    replies: int = 0
    """Number of messages in its thread."""


def read_message(document: Any) -> Message:
    """Return the message in a response."""
    try:
        return Message(
            id=str(document["id"]),
            sender=str(document["sender"]),
            sender_name=str(document.get("sender_name") or document["sender"]),
            at=str(document["at"]),
            type=str(document.get("type", "text")),
            text=str(document.get("text") or ""),
            meta=document.get("meta") or {},
            mentions=tuple(document.get("mentions") or ()),
            reply_to=document.get("reply_to"),
            thread=document.get("thread"),
            edited_at=document.get("edited_at"),
            deleted=bool(document.get("deleted")),
            deleted_at=document.get("deleted_at"),
            deleted_by=document.get("deleted_by"),
            reason=document.get("reason"),
            reactions=tuple(_reaction(found) for found in document.get("reactions") or ()),
            pinned_at=document.get("pinned_at"),
            pinned_by=document.get("pinned_by"),
            replies=int((document.get("thread_summary") or {}).get("replies", 0)),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProtocolError(f"not a message: {error!r}") from error


def _reaction(document: Any) -> Reaction:
    return Reaction(
        emoji=str(document["emoji"]),
        count=int(document["count"]),
        mine=bool(document.get("mine")),
        users=tuple(document.get("users") or ()),
    )
