"""Bans from rooms."""

from typing import Annotated

from fastapi import APIRouter, Response, status
from pydantic import Field

from madang_common.http.bodies import Body
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.problems import Conflict, Forbidden, InvalidRequest, NotAMember, NotFound
from madang_rooms.api.dependencies import MAX_INTEGER, PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.names import Reason
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import BanView

router = APIRouter(prefix=PREFIX, tags=["bans"])

_REFUSALS = refuses(NotAMember, Forbidden, NotFound, Conflict)
"""Problems of requests by users who may not ban, or about a room or user that does not exist."""


class NewBan(Body):
    model_config = example({"reason": "Spam", "expires_in_seconds": 86_400})

    reason: Reason | None = None
    """Shown only to members who may ban."""
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    """Without it, the ban holds until it is lifted."""


@router.get("/rooms/{room}/bans", responses={**_REFUSALS, **refuses(InvalidRequest)})
async def list_bans(
    services: InjectedServices, user: User, room: Id, cursor: Cursor = None, limit: Limit = 50
) -> Page[BanView]:
    """Return the bans of a room."""
    return await services.bans.list(user.subject, room, cursor, limit)


@router.get("/rooms/{room}/bans/{banned}", responses=_REFUSALS)
async def get_ban(services: InjectedServices, user: User, room: Id, banned: Id) -> BanView:
    """Return the ban of a user."""
    return await services.bans.get(user.subject, room, banned)


@router.put(
    "/rooms/{room}/bans/{banned}",
    responses={status.HTTP_201_CREATED: {"model": BanView}, **_REFUSALS},
)
async def ban_user(
    services: InjectedServices,
    user: RateLimitedUser,
    room: Id,
    banned: Id,
    response: Response,
    body: NewBan | None = None,
) -> BanView:
    """Ban a user, and remove them if they are a member with a lower role than yours.

    201 if the ban is new; 200 if there was one, whose reason and expiry are replaced.
    """
    wanted = body or NewBan()
    ban, is_new = await services.bans.put(
        user.subject, room, banned, reason=wanted.reason, seconds=wanted.expires_in_seconds
    )
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return ban


@router.delete(
    "/rooms/{room}/bans/{banned}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_REFUSALS,
)
async def lift_ban(services: InjectedServices, user: RateLimitedUser, room: Id, banned: Id) -> None:
    """Lift the ban of a user."""
    await services.bans.lift(user.subject, room, banned)
