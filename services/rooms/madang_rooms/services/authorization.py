"""Authorization: the checks before a change of a room.

Every change locks the room first, then all users it concerns, the actor included, in one statement
and in the order of their ids. So no user is demoted, removed or disabled between the check and the
commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from madang_common.events.kinds import Role, Visibility
from madang_common.problems import Conflict, Forbidden, NotAMember, NotFound, Unauthenticated
from madang_rooms.services.roles import Action, may
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.unit_of_work import UnitOfWork

_VERBS: Mapping[Action, str] = {
    Action.INVITE: "invite users",
    Action.RENAME: "rename the room",
    Action.ARCHIVE: "archive the room",
    Action.BAN: "ban users",
}


@dataclass(frozen=True, slots=True)
class Authorization:
    """A member who may change a room, with the room and the users locked."""

    room: Room
    actor: User
    membership: Membership
    users: Mapping[str, User]
    """The existing users among the actor and the others, by id."""

    @property
    def role(self) -> Role:
        """The role of the actor."""
        return self.membership.role

    def check_may(self, action: Action) -> None:
        """Raise Forbidden if the actor's role does not allow `action`."""
        check_shared(self.room)
        check_role(self.role, action)


async def authorize(unit: UnitOfWork, room: str, user: str, *others: str) -> Authorization:
    """Lock `room`, `user` and `others` for a change by `user`.

    Raise NotFound or NotAMember, and what `require_actor` raises.
    """
    locked = await lock_room(unit, room)
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember("You are not a member of this room.")
    users = await unit.users.lock(user, *others)
    return Authorization(locked, require_actor(users.get(user)), membership, users)


async def require_member(unit: UnitOfWork, room: str, user: str) -> tuple[Room, Membership]:
    """Return `room` and the membership of `user`, unlocked; raise NotFound or NotAMember."""
    found = await unit.rooms.get(room)
    if found is None:
        raise NotFound("There is no such room.")
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember("You are not a member of this room.")
    return found, membership


async def lock_room(unit: UnitOfWork, room: str) -> Room:
    """Return `room`, locked; raise NotFound."""
    locked = await unit.rooms.lock(room)
    if locked is None:
        raise NotFound("There is no such room.")
    return locked


async def lock_actor(unit: UnitOfWork, user: str) -> User:
    """Return the actor, locked; raise what `require_actor` raises."""
    return require_actor((await unit.users.lock(user)).get(user))


def require_actor(user: User | None) -> User:
    """Return the actor; raise if the account was deleted or disabled after the token was issued."""
    if user is None:
        raise Unauthenticated("This account does not exist; log in again.")
    if user.disabled:
        raise Forbidden("Your account is disabled; ask the operator of this server.")
    return user


def require_user(user: User | None) -> User:
    """Return the user; raise NotFound if they do not exist or are disabled."""
    if user is None or user.disabled:
        raise NotFound("There is no such user.")
    return user


def check_role(role: Role, action: Action) -> None:
    """Raise Forbidden if `role` does not allow `action`."""
    if not may(role, action):
        raise forbidden(role, _VERBS[action])


def forbidden(role: Role, action: str) -> Forbidden:
    """Return the problem that a member with `role` may not do `action`."""
    return Forbidden(f"{with_article(role).capitalize()} may not {action}.")


def check_shared(room: Room) -> None:
    """Raise Conflict if `room` is direct: its two members are equal and do not change."""
    if room.visibility is Visibility.DIRECT:
        raise Conflict("This is not possible in a direct room.")


def check_open(room: Room) -> None:
    """Raise Conflict if `room` is archived."""
    if room.archived:
        raise Conflict("This room is archived.")


def with_article(role: Role) -> str:
    """Return `role` with its indefinite article."""
    return f"an {role}" if role is Role.OWNER else f"a {role}"
