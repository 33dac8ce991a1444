"""Where a user stands in a room: the checks that come before a change."""

from dataclasses import dataclass

from madang_common.events.kinds import Role, Visibility
from madang_common.problems import Conflict, Forbidden, NotAMember, NotFound, Unauthenticated
from madang_rooms.models import Membership, Room, User
from madang_rooms.roles import Action, may
from madang_rooms.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Standing:
    """A member who is about to change something in a room that is locked for it."""

    room: Room
    actor: User
    membership: Membership

    @property
    def role(self) -> Role:
        """What the actor is."""
        return self.membership.role

    def check_may(self, action: Action) -> None:
        """Raise Forbidden if the actor's role does not allow `action`."""
        check_shared(self.room)
        if not may(self.role, action):
            raise Forbidden(f"a {self.role} may not {action} here")


async def stand(unit: UnitOfWork, room: str, user: str) -> Standing:
    """Lock `room` for a change by `user`; raise NotFound or NotAMember."""
    locked = await lock_room(unit, room)
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember
    return Standing(locked, known(await unit.users.get(user)), membership)


async def see(unit: UnitOfWork, room: str, user: str) -> tuple[Room, Membership]:
    """Return `room` and the membership of `user`, to read; raise NotFound or NotAMember."""
    found = await unit.rooms.get(room)
    if found is None:
        raise NotFound("there is no such room")
    membership = await unit.memberships.get(room, user)
    if membership is None:
        raise NotAMember
    return found, membership


async def lock_room(unit: UnitOfWork, room: str) -> Room:
    """Lock `room`; raise NotFound."""
    locked = await unit.rooms.lock(room)
    if locked is None:
        raise NotFound("there is no such room")
    return locked


async def lock_actor(unit: UnitOfWork, user: str) -> User:
    """Lock the user who acts; raise as `known` does."""
    return known((await unit.users.lock(user)).get(user))


def known(user: User | None) -> User:
    """Return the user who acts; raise if their token outlived them."""
    if user is None:
        raise Unauthenticated("the token's user does not exist")
    if user.disabled:
        raise Forbidden("this user is disabled")
    return user


def check_shared(room: Room) -> None:
    """Raise Conflict if `room` is direct: it has two equal members and stays as it is."""
    if room.visibility is Visibility.DIRECT:
        raise Conflict("a direct room stays as it is")


def check_open(room: Room) -> None:
    """Raise Conflict if `room` is archived."""
    if room.archived:
        raise Conflict("the room is archived")
