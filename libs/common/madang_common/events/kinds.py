"""The kinds of events: the facts about each and the fields of its `data`, version 1.

To add a kind, add a class, here or in `message_kinds`. A new optional field keeps the version; any
other change needs a new kind.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from madang_common.events import message_kinds  # noqa: F401 - its classes are kinds too
from madang_common.events.data import ALICE, BOB, ROOM, Audience, Data, MembershipChange
from madang_common.events.fields import EventId, Id, Name

_CODE = "06h06ktha7751s1ms7lduf3v"


class Role(StrEnum):
    """The permissions of a member, least first."""

    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"


MODERATING = frozenset({Role.MODERATOR, Role.OWNER})
"""The roles that may delete and pin the messages of others, and see earlier versions."""


class Visibility(StrEnum):
    """Who may join a room: anyone, invited users, or exactly two users."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


class MemberJoined(
    Data,
    kind="member.joined",
    membership=MembershipChange.BEGINS,
    example={"user": BOB, "name": "Junho", "role": "member", "by": BOB},
):
    """A user became a member."""

    user: Id
    name: Name
    role: Role
    by: Id
    """Id of the user who invited them, or their own."""


class MemberLeft(
    Data,
    kind="member.left",
    membership=MembershipChange.ENDS,
    example={"user": BOB, "name": "Junho"},
):
    """A member left the room."""

    user: Id
    name: Name


class MemberRemoved(
    Data,
    kind="member.removed",
    membership=MembershipChange.ENDS,
    example={"user": BOB, "name": "Junho", "by": ALICE},
):
    """A member was removed; this is the last event of the room that they receive."""

    user: Id
    name: Name
    by: Id


class MemberBanned(
    Data,
    kind="member.banned",
    membership=MembershipChange.ENDS,
    example={"user": BOB, "name": "Junho", "by": ALICE, "removed": True, "until": None},
):
    """A user was banned from the room; a member who is banned is also removed.

    Sent again, with `removed` false, when the expiry of the ban changes.
    """

    user: Id
    name: Name
    by: Id
    removed: bool
    """Whether the ban ended a membership."""
    until: str | None = None
    """When the ban expires, RFC 3339; null for a ban without expiry."""


class MemberUnbanned(
    Data,
    kind="member.unbanned",
    example={"user": BOB, "name": "Junho", "by": ALICE},
):
    """A ban was lifted; the user may join again."""

    user: Id
    name: Name
    by: Id


class MemberRoleChanged(
    Data,
    kind="member.role_changed",
    membership=MembershipChange.ROLE,
    example={"user": BOB, "name": "Junho", "role": "moderator", "by": ALICE},
):
    """A member got another role."""

    user: Id
    name: Name | None = None
    role: Role
    by: Id
    """Id of the user who changed it; `service:rooms` if the only owner was disabled and another
    member became the owner."""


class RoomCreated(
    Data,
    kind="room.created",
    example={"name": "마당", "visibility": "private"},
):
    """The room was created."""

    name: Name
    visibility: Visibility


class RoomUpdated(
    Data,
    kind="room.updated",
    example={"name": "Courtyard"},
):
    """The room was renamed."""

    name: Name


class RoomArchived(
    Data,
    kind="room.archived",
    membership=MembershipChange.CLOSES_ROOM,
    example={},
):
    """The room was archived: it can be read, but no one can send to it."""


class InviteReceived(
    Data,
    kind="invite.received",
    audience=Audience.USER,
    example={"room": ROOM, "room_name": "마당", "code": _CODE, "by": ALICE},
):
    """You were invited to a room."""

    room: Id
    room_name: Name
    code: Annotated[str, Field(min_length=1, max_length=64)]
    """The code that accepts the invite."""
    by: Id


class InviteDeclined(
    Data,
    kind="invite.declined",
    audience=Audience.USER,
    example={"room": ROOM, "code": _CODE},
):
    """You declined an invite; it is no longer in your list."""

    room: Id
    code: Annotated[str, Field(min_length=1, max_length=64)]


class RoomHidden(
    Data,
    kind="room.hidden",
    audience=Audience.USER,
    example={"room": ROOM, "hidden": True},
):
    """You hid a direct room from your list, or showed it again."""

    room: Id
    hidden: bool


class MembershipAdded(
    Data,
    kind="membership.added",
    audience=Audience.USER,
    example={"room": ROOM, "room_name": "마당", "role": "member"},
):
    """You became a member of a room."""

    room: Id
    room_name: Name
    role: Role


class MembershipRemoved(
    Data,
    kind="membership.removed",
    audience=Audience.USER,
    example={"room": ROOM, "by": ALICE},
):
    """You are no longer a member of a room."""

    room: Id
    by: Id


class LoginEnded(
    Data,
    kind="login.ended",
    audience=Audience.USER,
    durable=False,
    example={"login": "06h06ktj1om2bua34ookk9hv"},
):
    """One of your sessions was ended; its connections are closed."""

    login: Id
    """The session's id, `sid` in its tokens; `*` for all of your sessions."""


class RoomTyping(
    Data,
    kind="room.typing",
    durable=False,
    example={},
):
    """A member is typing."""


class RoomRead(
    Data,
    kind="room.read",
    durable=False,
    example={"upto": "000000000800"},
):
    """A member has read the room up to an event."""

    upto: EventId
    """Id of the last event read."""


class PresenceJoined(
    Data,
    kind="presence.joined",
    durable=False,
    example={"user": ALICE, "name": "Minji"},
):
    """A user is present: at least one of their connections subscribes to the room.

    Sent once per user, not per connection. Of two events about one user, the later `at` counts.
    Not sent while the number of users present exceeds a limit.
    """

    user: Id
    name: Name


class PresenceLeft(
    Data,
    kind="presence.left",
    durable=False,
    example={"user": ALICE, "name": "Minji"},
):
    """A user is no longer present; not sent while the number of users present exceeds a limit."""

    user: Id
    name: Name


class PresenceEntered(
    Data,
    kind="presence.entered",
    durable=False,
    example={},
):
    """A member opened the room; sent by clients that announce it."""


class PresenceQuit(
    Data,
    kind="presence.quit",
    durable=False,
    example={},
):
    """A member closed the room; sent by clients that announce it."""


KINDS = {data.kind: data for data in Data.__subclasses__()}
"""The class of each kind."""
DURABLE = {kind: data for kind, data in KINDS.items() if data.durable}
"""Kinds that are stored in the log."""
LIVE = {kind: data for kind, data in KINDS.items() if not data.durable}
"""Kinds that are not stored: only current subscribers receive them."""
MEMBERSHIP_CHANGES = {
    kind: data.membership for kind, data in KINDS.items() if data.membership is not None
}
"""How each kind that changes the memberships of its room does so."""
REQUIRING_MEMBERSHIP = frozenset(kind for kind, data in KINDS.items() if data.requires_membership)
"""Kinds that are ignored after the end of their sender's membership."""
AWAITING_LOG = frozenset(kind for kind, data in KINDS.items() if data.awaits_log)
"""Kinds whose request is answered only after the log has them."""
UNREAD = tuple(kind for kind, data in KINDS.items() if data.unread)
"""Kinds that count as unread."""


def document(data: Data) -> dict[str, Any]:
    """Return `data` as the JSON object of an event, without the fields that are not set."""
    return data.model_dump(mode="json", exclude_unset=True)
