"""What the REST interface shows of users, rooms, members and invites."""

from pydantic import BaseModel, ConfigDict

from madang_common.clock import rfc3339
from madang_common.events.kinds import Role, Visibility
from madang_rooms.storage.models import Ban, Block, Invite, Membership, Room, User


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class UserView(View):
    """What everyone who is logged in may see of a user."""

    id: str
    username: str
    display_name: str


class AccountView(UserView):
    """What only auth may see of a user."""

    password_hash: str
    disabled: bool


class RoomView(View):
    """A room, as one user sees it."""

    id: str
    name: str
    """In a direct room, the other one's display name."""
    visibility: Visibility
    role: Role | None
    """The role of who asks; null if they are not a member."""
    archived: bool
    members: int
    peer: UserView | None
    """The other one in a direct room."""
    hidden: bool
    """Whether the caller hid this direct room from their list."""
    created_by: str
    created_at: str


class MemberView(View):
    """A member of a room."""

    user: UserView
    role: Role
    joined_at: str


class InviteView(View):
    """An invite, as those see it who may invite."""

    code: str
    expires_at: str
    uses_left: int
    user: UserView | None
    """The only one who may accept; null for a link."""
    created_by: str
    created_at: str


class BanView(View):
    """A ban, as those see it who may ban."""

    user: UserView
    reason: str | None
    expires_at: str | None
    """null for one that holds until it is lifted."""
    banned_by: str
    created_at: str


class BlockView(View):
    """A block, as its maker sees it."""

    user: UserView
    """Who is blocked."""
    created_at: str


class InvitedRoomView(View):
    """What an invite tells of its room."""

    id: str
    name: str
    visibility: Visibility


class ReceivedInviteView(View):
    """An invite, as the one sees it whom it is for."""

    code: str
    room: InvitedRoomView
    by: UserView
    expires_at: str
    created_at: str


def user_view(user: User) -> UserView:
    """Return what everyone may see of `user`."""
    return UserView(id=user.id, username=user.username, display_name=user.display_name)


def account_view(user: User) -> AccountView:
    """Return what auth may see of `user`."""
    return AccountView(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        password_hash=user.password_hash,
        disabled=user.disabled,
    )


def room_view(room: Room, membership: Membership | None, peer: User | None = None) -> RoomView:
    """Return `room` as this member sees it, or no member; `peer` is the other in a direct room."""
    return RoomView(
        id=room.id,
        name=room.name if peer is None else peer.display_name,
        visibility=room.visibility,
        role=None if membership is None else membership.role,
        archived=room.archived,
        members=room.member_count,
        peer=None if peer is None else user_view(peer),
        hidden=membership is not None and membership.hidden_at_ms is not None,
        created_by=room.created_by,
        created_at=_time(room.created_at_ms),
    )


def member_view(membership: Membership, user: User) -> MemberView:
    """Return a member."""
    return MemberView(
        user=user_view(user), role=membership.role, joined_at=_time(membership.joined_at_ms)
    )


def invite_view(invite: Invite, user: User | None) -> InviteView:
    """Return `invite`, which is for `user` if it is not a link."""
    return InviteView(
        code=invite.code,
        expires_at=_time(invite.expires_at_ms),
        uses_left=invite.uses_left,
        user=None if user is None else user_view(user),
        created_by=invite.created_by,
        created_at=_time(invite.created_at_ms),
    )


def ban_view(ban: Ban, user: User) -> BanView:
    """Return `ban`, which keeps `user` out."""
    return BanView(
        user=user_view(user),
        reason=ban.reason,
        expires_at=None if ban.expires_at_ms is None else _time(ban.expires_at_ms),
        banned_by=ban.banned_by,
        created_at=_time(ban.created_at_ms),
    )


def block_view(block: Block, user: User) -> BlockView:
    """Return `block`, which keeps `user` from inviting."""
    return BlockView(user=user_view(user), created_at=_time(block.created_at_ms))


def received_invite_view(invite: Invite, room: Room, by: User) -> ReceivedInviteView:
    """Return `invite` to `room`, made by `by`."""
    return ReceivedInviteView(
        code=invite.code,
        room=InvitedRoomView(id=room.id, name=room.name, visibility=room.visibility),
        by=user_view(by),
        expires_at=_time(invite.expires_at_ms),
        created_at=_time(invite.created_at_ms),
    )


def _time(milliseconds: int) -> str:
    return rfc3339(milliseconds / 1000)
