"""Rooms as one user sees them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from sqlalchemy import Connection, Executable, Integer, and_, bindparam, select

from madang_common.events.kinds import Role, Visibility
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.models.room import peer_of


class Peer(NamedTuple):
    """The other user of a direct room."""

    id: str
    username: str
    display_name: str


class SeenRoom(NamedTuple):
    """A room with one user's membership, in plain columns.

    They take a fraction of the time of two objects of the ORM, and reads need no more.
    """

    id: str
    name: str
    visibility: Visibility
    direct_pair: str | None
    member_count: int
    created_by: str
    created_at_ms: int
    archived_at_ms: int | None
    role: Role | None
    """None if the user is not a member."""
    hidden_at_ms: int | None
    peer: Peer | None = None
    """None unless the room is direct."""

    @classmethod
    def of(cls, room: Room, membership: Membership, peer: User | None) -> Self:
        """Return `room` as the user of `membership` sees it."""
        return cls(
            id=room.id,
            name=room.name,
            visibility=room.visibility,
            direct_pair=room.direct_pair,
            member_count=room.member_count,
            created_by=room.created_by,
            created_at_ms=room.created_at_ms,
            archived_at_ms=room.archived_at_ms,
            role=membership.role,
            hidden_at_ms=membership.hidden_at_ms,
            peer=None if peer is None else Peer(peer.id, peer.username, peer.display_name),
        )


_SEEN = select(
    Room.id,
    Room.name,
    Room.visibility,
    Room.direct_pair,
    Room.member_count,
    Room.created_by,
    Room.created_at_ms,
    Room.archived_at_ms,
    Membership.role,
    Membership.hidden_at_ms,
)
_OF_USER = and_(Membership.room_id == Room.id, Membership.user_id == bindparam("user"))
_ONE = _SEEN.outerjoin(Membership, _OF_USER).where(Room.id == bindparam("room"))
_MINE = (
    _SEEN.join(Membership, _OF_USER)
    .order_by(Membership.room_id.desc())
    .limit(bindparam("most", type_=Integer))
)
_MINE_SHOWN = _MINE.where(Membership.hidden_at_ms.is_(None))
_PUBLIC = (
    _SEEN.outerjoin(Membership, _OF_USER)
    .where(Room.visibility == Visibility.PUBLIC, Room.archived_at_ms.is_(None))
    .order_by(Room.id.desc())
    .limit(bindparam("most", type_=Integer))
)
_PEERS = select(User.id, User.username, User.display_name).where(
    User.id.in_(bindparam("users", expanding=True))
)


def find_seen(connection: Connection, room: str, user: str) -> SeenRoom | None:
    """Return `room` as `user` sees it, who may not be a member; None if it does not exist."""
    found = _seen(connection, _ONE, user, room=room)
    return found[0] if found else None


def list_of_user(
    connection: Connection, user: str, before: str | None, most: int, *, hidden: bool
) -> Sequence[SeenRoom]:
    """Return the rooms of `user` below `before`, newest first; hidden ones with `hidden`."""
    query = _MINE if hidden else _MINE_SHOWN
    if before is not None:
        query = query.where(Membership.room_id < before)
    return _seen(connection, query, user, most=most)


def list_public(
    connection: Connection, user: str, text: str, before: str | None, most: int
) -> Sequence[SeenRoom]:
    """Return public rooms with `text` in their name, ignoring case, newest first.

    Each comes with the membership of `user` in it, who may not be a member.
    """
    query = _PUBLIC
    if text:
        query = query.where(Room.name.icontains(text, autoescape=True))
    if before is not None:
        query = query.where(Room.id < before)
    return _seen(connection, query, user, most=most)


def _seen(
    connection: Connection, query: Executable, user: str, **values: str | int
) -> Sequence[SeenRoom]:
    rooms = [SeenRoom(*row) for row in connection.execute(query, {"user": user, **values})]
    peer_ids = {room.id: peer_of(room.direct_pair, user) for room in rooms if room.direct_pair}
    if not peer_ids:
        return rooms
    # Perhaps of a later snapshot, which makes no difference: the names of a user never change.
    peers = _peers(connection, peer_ids.values())
    return [room._replace(peer=peers.get(peer_ids.get(room.id, ""))) for room in rooms]


def _peers(connection: Connection, users: Iterable[str]) -> Mapping[str, Peer]:
    """Return the existing users of `users`, by id."""
    found = connection.execute(_PEERS, {"users": list(users)})
    return {row.id: Peer(*row) for row in found}
