"""Where a user stands in a room: the checks that come before a change.

Every change locks the room first, then all users it concerns, the one who acts among them, at once
and in the order of their ids. So nobody is demoted, removed or disabled between a check and the
commit of what it allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from madang_common.events.kinds import Role, Visibility
from madang_common.problems import Conflict, Forbidden, NotAMember, NotFound, Unauthenticated
from madang_rooms.services.roles import Action, may
from madang_rooms.storage.models import Membership, Room, User
from madang_rooms.storage.unit_of_work import UnitOfWork

_VERBS: Mapping[Action, str] = {
    Action.INVITE: "invite people",
    Action.RENAME: "rename the room",
    Action.ARCHIVE: "archive the room",
    Action.BAN: "ban people",
}


@dataclass(frozen=True, slots=True)
class Authorization:
    """A member who is about to change something, with the room and the users locked for it."""

    room: Room
    actor: User
    membership: Membership
    users: Mapping[str, User]
    """The actor and the others who were asked for, as far as they exist."""

    @property
    def role(self) -> Role:
        """What the actor is."""
        return self.membership.role

    def check_may(self, action: Action) -> None:
        """Raise Forbidden if the actor's role does not allow `action`."""
        check_shared(self.room)
        check_role(self.role, action)


async def stand(unit: UnitOfWork, room: str, user: str, *others: str) -> Authorization:
    """Lock `room`, `user` and `others` for a change by `user`.

    Raise NotFound or NotAMember, and as `known` does.
    """
    locked = await lock_room(unit, room)
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember("You are not a member of this room.")
    users = await unit.users.lock(user, *others)
    return Authorization(locked, known(users.get(user)), membership, users)


async def see(unit: UnitOfWork, room: str, user: str) -> tuple[Room, Membership]:
    """Return `room` and the membership of `user`, to read; raise NotFound or NotAMember."""
    found = await unit.rooms.get(room)
    if found is None:
        raise NotFound("There is no such room.")
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember("You are not a member of this room.")
    return found, membership


async def lock_room(unit: UnitOfWork, room: str) -> Room:
    """Lock `room`; raise NotFound."""
    locked = await unit.rooms.lock(room)
    if locked is None:
        raise NotFound("There is no such room.")
    return locked


async def lock_actor(unit: UnitOfWork, user: str) -> User:
    """Lock the user who acts; raise as `known` does."""
    return known((await unit.users.lock(user)).get(user))


def known(user: User | None) -> User:
    """Return the user who acts; raise if their token outlived them."""
    if user is None:
        raise Unauthenticated("This account does not exist; log in again.")
    if user.disabled:
        raise Forbidden("Your account is disabled.")
    return user


def found_user(user: User | None) -> User:
    """Return a user who can be talked to; raise NotFound if there is none, or a disabled one."""
    if user is None or user.disabled:
        raise NotFound("There is no such user.")
    return user


def check_role(role: Role, action: Action) -> None:
    """Raise Forbidden if `role` does not allow `action`."""
    if not may(role, action):
        raise Forbidden(f"{with_article(role).capitalize()} may not {_VERBS[action]}.")


def check_shared(room: Room) -> None:
    """Raise Conflict if `room` is direct: it has two equal members and stays as it is."""
    if room.visibility is Visibility.DIRECT:
        raise Conflict("This cannot be done in a direct room.")


def check_open(room: Room) -> None:
    """Raise Conflict if `room` is archived."""
    if room.archived:
        raise Conflict("This room is archived.")


def with_article(role: Role) -> str:
    """Return `role` with its article."""
    return f"an {role}" if role is Role.OWNER else f"a {role}"
