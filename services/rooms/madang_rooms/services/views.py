"""Response models of the REST interface, made from database rows."""

from pydantic import BaseModel, ConfigDict

from madang_common.clock import rfc3339
from madang_common.events.kinds import Role, Visibility
from madang_common.http.openapi import example
from madang_rooms.storage.models import Ban, Block, Invite, Membership, Room, User
from madang_rooms.storage.queries.rooms import Peer, SeenRoom

# Values of the examples.
_USER = {"id": "06h06ktdkrb2i5o61ro2lqhs", "username": "minji", "display_name": "민지"}
_PEER = {"id": "06h06kteqf9fct0dendon72d", "username": "junho", "display_name": "준호"}
_ROOM = "06h06kth7cvnl2h7pm7u28th"
_CODE = "06h06ku0l9tr3m1a8b5d2e7f"
_AT = "2026-01-31T09:00:00Z"
_LATER = "2026-02-07T09:00:00Z"


class View(BaseModel):
    """A response model."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class UserView(View):
    """A user as other users see them."""

    model_config = example(_USER)

    id: str
    username: str
    display_name: str


class AccountView(UserView):
    """A user, as auth sees them."""

    model_config = ConfigDict(json_schema_extra=None)

    password_hash: str
    disabled: bool


class RoomView(View):
    """A room as you see it."""

    model_config = example(
        {
            "id": _ROOM,
            "name": "준호",
            "visibility": "direct",
            "role": "member",
            "archived": False,
            "members": 2,
            "peer": _PEER,
            "hidden": False,
            "created_by": _USER["id"],
            "created_at": _AT,
        }
    )

    id: str
    name: str
    """In a direct room, the other user's display name."""
    visibility: Visibility
    role: Role | None
    """Your role; null if you are not a member."""
    archived: bool
    members: int
    peer: UserView | None
    """The other user of a direct room."""
    hidden: bool
    """Whether you hid this direct room from your list."""
    created_by: str
    created_at: str


class MemberView(View):
    """A member of a room."""

    model_config = example({"user": _PEER, "role": "member", "joined_at": _AT})

    user: UserView
    role: Role
    joined_at: str


class InviteView(View):
    """An invite as members who may invite see it."""

    model_config = example(
        {
            "code": _CODE,
            "expires_at": _LATER,
            "uses_left": 1,
            "user": _PEER,
            "created_by": _USER["id"],
            "created_at": _AT,
        }
    )

    code: str
    expires_at: str
    uses_left: int
    user: UserView | None
    """The only user who may accept it; null for a link."""
    created_by: str
    created_at: str


class BanView(View):
    """A ban as members who may ban see it."""

    model_config = example(
        {
            "user": _PEER,
            "reason": "Spam",
            "expires_at": _LATER,
            "banned_by": _USER["id"],
            "created_at": _AT,
        }
    )

    user: UserView
    reason: str | None
    expires_at: str | None
    """null for a ban without expiry."""
    banned_by: str
    created_at: str


class BlockView(View):
    """A block as its owner sees it."""

    model_config = example({"user": _PEER, "created_at": _AT})

    user: UserView
    """The blocked user."""
    created_at: str


class InvitedRoomView(View):
    """The room of an invite."""

    id: str
    name: str
    visibility: Visibility


class ReceivedInviteView(View):
    """An invite as its recipient sees it."""

    model_config = example(
        {
            "code": _CODE,
            "room": {"id": _ROOM, "name": "마당", "visibility": "private"},
            "by": _USER,
            "expires_at": _LATER,
            "created_at": _AT,
        }
    )

    code: str
    room: InvitedRoomView
    by: UserView
    expires_at: str
    created_at: str


def user_view(user: User | Peer) -> UserView:
    """Return the public view of `user`."""
    return UserView(id=user.id, username=user.username, display_name=user.display_name)


def account_view(user: User) -> AccountView:
    """Return the view of `user` for auth."""
    return AccountView(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        password_hash=user.password_hash,
        disabled=user.disabled,
    )


def room_view(room: Room, membership: Membership, peer: User | None = None) -> RoomView:
    """Return `room` as the user of `membership` sees it; `peer` is the other in a direct room."""
    return seen_view(SeenRoom.of(room, membership, peer))


def seen_view(room: SeenRoom) -> RoomView:
    """Return `room` as the user sees it who asked for it."""
    peer = room.peer
    return RoomView(
        id=room.id,
        name=room.name if peer is None else peer.display_name,
        visibility=room.visibility,
        role=room.role,
        archived=room.archived_at_ms is not None,
        members=room.member_count,
        peer=None if peer is None else user_view(peer),
        hidden=room.hidden_at_ms is not None,
        created_by=room.created_by,
        created_at=_rfc3339(room.created_at_ms),
    )


def member_view(membership: Membership, user: User) -> MemberView:
    """Return the view of a member."""
    return MemberView(
        user=user_view(user), role=membership.role, joined_at=_rfc3339(membership.joined_at_ms)
    )


def invite_view(invite: Invite, user: User | None) -> InviteView:
    """Return the view of `invite`; `user` is the invited user, None for a link."""
    return InviteView(
        code=invite.code,
        expires_at=_rfc3339(invite.expires_at_ms),
        uses_left=invite.uses_left,
        user=None if user is None else user_view(user),
        created_by=invite.created_by,
        created_at=_rfc3339(invite.created_at_ms),
    )


def ban_view(ban: Ban, user: User) -> BanView:
    """Return the view of `ban` on `user`."""
    return BanView(
        user=user_view(user),
        reason=ban.reason,
        expires_at=None if ban.expires_at_ms is None else _rfc3339(ban.expires_at_ms),
        banned_by=ban.banned_by,
        created_at=_rfc3339(ban.created_at_ms),
    )


def block_view(block: Block, user: User) -> BlockView:
    """Return the view of `block` on `user`."""
    return BlockView(user=user_view(user), created_at=_rfc3339(block.created_at_ms))


def received_invite_view(invite: Invite, room: Room, by: User) -> ReceivedInviteView:
    """Return the view of `invite` to `room` by its inviter `by`."""
    return ReceivedInviteView(
        code=invite.code,
        room=InvitedRoomView(id=room.id, name=room.name, visibility=room.visibility),
        by=user_view(by),
        expires_at=_rfc3339(invite.expires_at_ms),
        created_at=_rfc3339(invite.created_at_ms),
    )


def _rfc3339(milliseconds: int) -> str:
    return rfc3339(milliseconds / 1000)
