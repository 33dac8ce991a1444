"""Invites."""

from typing import Annotated, Self

from fastapi import APIRouter, status
from pydantic import Field, model_validator

from madang_common.http.bodies import Body
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.problems import (
    Banned,
    Conflict,
    Forbidden,
    Gone,
    InvalidRequest,
    NotAMember,
    NotFound,
)
from madang_rooms.api.dependencies import MAX_INTEGER, PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import InviteView, ReceivedInviteView, RoomView

router = APIRouter(prefix=PREFIX, tags=["invites"])


class NewInvite(Body):
    """An invite link, or with `user` an invite for one user."""

    model_config = example({"expires_in_seconds": 86_400, "uses": 5})

    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    uses: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None

    @model_validator(mode="after")
    def check_uses(self) -> Self:
        """Refuse several uses of an invite for one user."""
        if self.user is not None and self.uses not in {None, 1}:
            raise ValueError("An invite for a user has one use.")
        return self


@router.post(
    "/rooms/{room}/invites",
    status_code=status.HTTP_201_CREATED,
    responses=refuses(NotAMember, Forbidden, Banned, NotFound, Conflict),
)
async def create_invite(
    services: InjectedServices, user: RateLimitedUser, room: Id, body: NewInvite | None = None
) -> InviteView:
    """Create an invite link, or invite one user."""
    wanted = body or NewInvite()
    seconds = wanted.expires_in_seconds
    if wanted.user is not None:
        return await services.invites.create_for_user(
            user.subject, room, wanted.user, seconds=seconds
        )
    return await services.invites.create_link(user.subject, room, seconds=seconds, uses=wanted.uses)


@router.get(
    "/rooms/{room}/invites",
    responses=refuses(InvalidRequest, NotAMember, Forbidden, NotFound, Conflict),
)
async def list_invites(
    services: InjectedServices, user: User, room: Id, cursor: Cursor = None, limit: Limit = 50
) -> Page[InviteView]:
    """Return the open invites of a room."""
    return await services.invites.list(user.subject, room, cursor, limit)


@router.delete(
    "/rooms/{room}/invites/{code}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refuses(NotAMember, Forbidden, NotFound, Conflict),
)
async def revoke_invite(
    services: InjectedServices, user: RateLimitedUser, room: Id, code: Id
) -> None:
    """Revoke an invite."""
    await services.invites.revoke(user.subject, room, code)


@router.get("/invites", responses=refuses(InvalidRequest))
async def list_received_invites(
    services: InjectedServices, user: User, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReceivedInviteView]:
    """Return the invites that you received, newest first."""
    return await services.invites.list_received(user.subject, cursor, limit)


@router.post(
    "/invites/{code}/accept",
    responses=refuses(Forbidden, Banned, NotFound, Conflict, Gone),
)
async def accept_invite(services: InjectedServices, user: RateLimitedUser, code: Id) -> RoomView:
    """Accept an invite and join its room; 410 if it has expired or is used up."""
    return await services.invites.accept(user.subject, code)


@router.post(
    "/invites/{code}/decline",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refuses(Forbidden, NotFound, Conflict),
)
async def decline_invite(services: InjectedServices, user: RateLimitedUser, code: Id) -> None:
    """Decline an invite that you received; the inviter is not notified."""
    await services.invites.decline(user.subject, code)
