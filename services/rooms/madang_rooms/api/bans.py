"""Bans from rooms."""

from typing import Annotated

from fastapi import APIRouter, Response, status
from pydantic import Field

from madang_common.http.bodies import Body
from madang_common.http.security import User
from madang_rooms.api.dependencies import MAX_INTEGER, PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.names import Reason
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import BanView

router = APIRouter(prefix=PREFIX, tags=["bans"])


class NewBan(Body):
    reason: Reason | None = None
    """Visible only to members who may ban."""
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    """Without it the ban does not expire."""


@router.get("/rooms/{room}/bans")
async def list_bans(
    services: InjectedServices, user: User, room: Id, cursor: Cursor = None, limit: Limit = 50
) -> Page[BanView]:
    """Return the bans from a room."""
    return await services.bans.list(user.subject, room, cursor, limit)


@router.get("/rooms/{room}/bans/{banned}")
async def get_ban(services: InjectedServices, user: User, room: Id, banned: Id) -> BanView:
    """Return the ban of a user."""
    return await services.bans.get(user.subject, room, banned)


@router.put("/rooms/{room}/bans/{banned}", responses={status.HTTP_201_CREATED: {"model": BanView}})
async def ban_user(
    services: InjectedServices,
    user: RateLimitedUser,
    room: Id,
    banned: Id,
    response: Response,
    body: NewBan | None = None,
) -> BanView:
    """Ban a user; a member with a lower role than yours is removed.

    201 if they were not banned; 200 if they were, with the reason and expiry replaced.
    """
    wanted = body or NewBan()
    ban, is_new = await services.bans.put(
        user.subject, room, banned, reason=wanted.reason, seconds=wanted.expires_in_seconds
    )
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return ban


@router.delete("/rooms/{room}/bans/{banned}", status_code=status.HTTP_204_NO_CONTENT)
async def lift_ban(services: InjectedServices, user: RateLimitedUser, room: Id, banned: Id) -> None:
    """Lift the ban of a user."""
    await services.bans.lift(user.subject, room, banned)
