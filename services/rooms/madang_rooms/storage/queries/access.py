"""Access to rooms: who is a member, and what is archived."""

from collections.abc import Collection

from sqlalchemy import Connection, and_, literal, null, select, tuple_, type_coerce, union_all

from madang_common.events.kinds import Role
from madang_rooms.storage.models import Membership, Room


def find_access(
    connection: Connection, pairs: Collection[tuple[str, str]]
) -> tuple[dict[str, bool], dict[tuple[str, str], Role]]:
    """Return by room whether it is archived, and the role of each of the (room, user) `pairs`.

    One UNION of two queries. A join would read all members of each room. The condition on the users
    lets SQLite use an index; with the pairs alone it scans all memberships.
    """
    archived = Room.archived_at_ms.is_not(None)
    wanted = and_(
        Membership.user_id.in_({user for _, user in pairs}),
        tuple_(Membership.room_id, Membership.user_id).in_(list(pairs)),
    )
    # The first query determines the column types of the union.
    no_user = type_coerce(null(), Membership.user_id.type).label("user_id")
    rooms = select(Room.id, no_user, null().label("role"), archived).where(
        Room.id.in_({room for room, _ in pairs})
    )
    roles = select(
        Membership.room_id, Membership.user_id, Membership.role, literal(value=False)
    ).where(wanted)
    archived_by_room: dict[str, bool] = {}
    role_of: dict[tuple[str, str], Role] = {}
    for room, user, role, is_archived in connection.execute(union_all(rooms, roles)):
        if user is None or role is None:
            archived_by_room[room] = bool(is_archived)
        else:
            role_of[room, user] = Role(role)
    return archived_by_room, role_of
