"""The kinds of events and the shape of each one's `data`, version 1.

A new optional field keeps the version; anything else is a new kind.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Role(StrEnum):
    """What a member may do, least first."""

    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"


class Visibility(StrEnum):
    """Who may enter a room: anyone, the invited, or exactly two people."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class Data(BaseModel):
    """The `data` of an event: frozen, and nothing in it that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MessageCreated(Data):
    """Somebody said something in the room."""

    text: Annotated[str, Field(min_length=1)]
    """Plain text, up to the gateway's limit in bytes."""


class MemberJoined(Data):
    """Somebody became a member."""

    user: Id
    name: Name
    role: Role
    by: Id
    """Who brought them in: themselves, or who invited them."""


class MemberLeft(Data):
    """A member left of their own will."""

    user: Id
    name: Name


class MemberRemoved(Data):
    """A member was removed; this is the last event of the room that they receive."""

    user: Id
    name: Name
    by: Id


class MemberBanned(Data):
    """Somebody may not enter any more; a member is none from here on, as if removed."""

    user: Id
    name: Name
    by: Id
    removed: bool
    """Whether they were a member until here."""


class MemberUnbanned(Data):
    """Somebody may enter again; they are no member yet."""

    user: Id
    name: Name
    by: Id


class MemberRoleChanged(Data):
    """A member may do more, or less, than before."""

    user: Id
    name: Name | None = None
    role: Role
    by: Id
    """Who did it; `service:rooms` where the only owner was disabled and ownership passed on."""


class RoomCreated(Data):
    """The room exists from here on."""

    name: Name
    visibility: Visibility


class RoomUpdated(Data):
    """The room has another name."""

    name: Name


class RoomArchived(Data):
    """The room can be read but no longer written."""


class InviteReceived(Data):
    """You were invited to a room."""

    room: Id
    room_name: Name
    code: Annotated[str, Field(min_length=1, max_length=64)]
    """What accepts the invite."""
    by: Id


class InviteDeclined(Data):
    """You declined an invite: it is not on your list any more."""

    room: Id
    code: Annotated[str, Field(min_length=1, max_length=64)]


class RoomHidden(Data):
    """You took a direct room off your list, or put it back."""

    room: Id
    hidden: bool


class MembershipAdded(Data):
    """You are a member of a room from here on."""

    room: Id
    room_name: Name
    role: Role


class MembershipRemoved(Data):
    """You are no longer a member of a room."""

    room: Id
    by: Id


class LoginEnded(Data):
    """One of your logins was ended; its connections close."""

    login: Id
    """The login's id, `sid` in its tokens; `*` for all of them."""


class RoomTyping(Data):
    """A member is writing."""


class RoomRead(Data):
    """A member has read up to a message."""

    upto: Annotated[str, Field(pattern=r"^[0-9a-v]{12}$")]
    """Id of the last event read."""


class PresenceJoined(Data):
    """Somebody is in the room now: they follow it over at least one connection.

    Sent once however many connections; of two notices about one user the later `at` counts.
    """

    user: Id
    name: Name


class PresenceLeft(Data):
    """Somebody is in the room no more; not sent, as the other, where very many are present."""

    user: Id
    name: Name


class PresenceEntered(Data):
    """A member opened the room; sent by clients that announce it."""


class PresenceQuit(Data):
    """A member closed the room; sent by clients that announce it."""


DURABLE: dict[str, type[Data]] = {
    "message.created": MessageCreated,
    "member.joined": MemberJoined,
    "member.left": MemberLeft,
    "member.removed": MemberRemoved,
    "member.banned": MemberBanned,
    "member.unbanned": MemberUnbanned,
    "member.role_changed": MemberRoleChanged,
    "room.created": RoomCreated,
    "room.updated": RoomUpdated,
    "room.archived": RoomArchived,
    "invite.received": InviteReceived,
    "invite.declined": InviteDeclined,
    "membership.added": MembershipAdded,
    "membership.removed": MembershipRemoved,
    "room.hidden": RoomHidden,
}
"""Kinds that stand in the log."""

LIVE: dict[str, type[Data]] = {
    "room.typing": RoomTyping,
    "room.read": RoomRead,
    "presence.joined": PresenceJoined,
    "presence.left": PresenceLeft,
    "presence.entered": PresenceEntered,
    "presence.quit": PresenceQuit,
    "login.ended": LoginEnded,
}
"""Kinds that are only for who listens now."""

OF_USERS = frozenset(
    {
        "invite.received",
        "invite.declined",
        "membership.added",
        "membership.removed",
        "room.hidden",
        "login.ended",
    }
)
"""Kinds of events for one user; all others are for a room."""

KIND_OF = {model: kind for kind, model in (DURABLE | LIVE).items()}
"""The kind of event that has each shape of data."""


def kind_of(data: Data) -> str:
    """Return the kind of event that has `data`."""
    return KIND_OF[type(data)]


def document(data: Data) -> dict[str, Any]:
    """Return `data` as it stands in an event."""
    return data.model_dump(mode="json")
