"""Members of rooms."""

from fastapi import APIRouter, status

from madang_common.events.kinds import Role
from madang_common.http.bodies import Body
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.problems import (
    Banned,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotAMember,
    NotFound,
)
from madang_rooms.api.dependencies import PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import MemberView, RoomView

router = APIRouter(prefix=PREFIX, tags=["members"])

_CHANGE = refuses(NotAMember, Forbidden, NotFound, Conflict)
"""Problems of a change of members."""


class NewRole(Body):
    model_config = example({"role": "moderator"})

    role: Role


@router.post(
    "/rooms/{room}/join",
    responses=refuses(NotAMember, Forbidden, Banned, NotFound, Conflict),
)
async def join_room(services: InjectedServices, user: RateLimitedUser, room: Id) -> RoomView:
    """Join a public room."""
    return await services.members.join(user.subject, room)


@router.post("/rooms/{room}/leave", status_code=status.HTTP_204_NO_CONTENT, responses=_CHANGE)
async def leave_room(services: InjectedServices, user: RateLimitedUser, room: Id) -> None:
    """Leave a room; 409 for the only owner while there are other members."""
    await services.members.leave(user.subject, room)


@router.get("/rooms/{room}/members", responses=refuses(InvalidRequest, NotAMember, NotFound))
async def list_members(
    services: InjectedServices, user: User, room: Id, cursor: Cursor = None, limit: Limit = 50
) -> Page[MemberView]:
    """Return the members of a room that you are a member of."""
    return await services.members.list(user.subject, room, cursor, limit)


@router.delete(
    "/rooms/{room}/members/{member}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_CHANGE,
)
async def remove_member(
    services: InjectedServices, user: RateLimitedUser, room: Id, member: Id
) -> None:
    """Remove a member with a lower role than yours."""
    await services.members.remove(user.subject, room, member)


@router.patch("/rooms/{room}/members/{member}", responses=_CHANGE)
async def change_role(
    services: InjectedServices, user: RateLimitedUser, room: Id, member: Id, body: NewRole
) -> MemberView:
    """Change the role of a member, or lower your own."""
    return await services.members.change_role(user.subject, room, member, body.role)
