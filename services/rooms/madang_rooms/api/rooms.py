"""Rooms."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response, status
from pydantic import Field

from madang_common.events.kinds import Visibility
from madang_common.http.bodies import Body
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.problems import Conflict, Forbidden, InvalidRequest, NotAMember, NotFound
from madang_rooms.api.dependencies import PREFIX, Id, InjectedServices, RateLimitedUser
from madang_rooms.names import RoomName
from madang_rooms.services.paging import Cursor, Limit, Page
from madang_rooms.services.views import RoomView

router = APIRouter(prefix=PREFIX, tags=["rooms"])

_CHANGE = refuses(NotAMember, Forbidden, NotFound, Conflict)
"""Problems of a change of a room."""


class NewRoom(Body):
    model_config = example({"name": "마당", "visibility": "private"})

    name: RoomName
    visibility: Literal[Visibility.PUBLIC, Visibility.PRIVATE]


class NewName(Body):
    model_config = example({"name": "뒷마당"})

    name: RoomName


class Peer(Body):
    model_config = example({"user": "06h06kteqf9fct0dendon72d"})

    user: Annotated[str, Field(min_length=1, max_length=64)]


@router.post("/rooms", status_code=status.HTTP_201_CREATED, responses=refuses(Forbidden, Conflict))
async def create_room(services: InjectedServices, user: RateLimitedUser, body: NewRoom) -> RoomView:
    """Create a room; you become its owner."""
    return await services.rooms.create(user.subject, body.name, body.visibility)


@router.post(
    "/direct",
    responses={
        status.HTTP_201_CREATED: {"model": RoomView},
        **refuses(Forbidden, NotFound, Conflict),
    },
)
async def open_direct_room(
    services: InjectedServices, user: RateLimitedUser, body: Peer, response: Response
) -> RoomView:
    """Open the direct room of you and another user; 201 if it was created now.

    A hidden direct room is listed again.
    """
    room, is_new = await services.rooms.open_direct(user.subject, body.user)
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return room


@router.get("/rooms", responses=refuses(InvalidRequest))
async def list_my_rooms(
    services: InjectedServices,
    user: User,
    hidden: Annotated[bool, Query(description="Include hidden direct rooms.")] = False,  # noqa: FBT002 - a query parameter
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RoomView]:
    """Return the rooms that you are a member of, newest first."""
    return await services.rooms.list_of(user.subject, cursor, limit, hidden=hidden)


# Before /rooms/{room}, which would match "public" as an id.
@router.get("/rooms/public", responses=refuses(InvalidRequest))
async def list_public_rooms(
    services: InjectedServices,
    user: User,
    query: Annotated[str, Query(max_length=512)] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RoomView]:
    """Return the public rooms whose name contains `query`, ignoring case, newest first."""
    return await services.rooms.list_public(user.subject, query, cursor, limit)


@router.get("/rooms/{room}", responses=refuses(NotAMember, NotFound))
async def get_room(services: InjectedServices, user: User, room: Id) -> RoomView:
    """Return a room that you are a member of."""
    return await services.rooms.get(user.subject, room)


@router.patch("/rooms/{room}", responses=_CHANGE)
async def rename_room(
    services: InjectedServices, user: RateLimitedUser, room: Id, body: NewName
) -> RoomView:
    """Rename a room."""
    return await services.rooms.rename(user.subject, room, body.name)


@router.post("/rooms/{room}/archive", responses=_CHANGE)
async def archive_room(services: InjectedServices, user: RateLimitedUser, room: Id) -> RoomView:
    """Archive a room: its messages can be read, but no more can be sent."""
    return await services.rooms.archive(user.subject, room)


@router.put("/rooms/{room}/hidden", status_code=status.HTTP_204_NO_CONTENT, responses=_CHANGE)
async def hide_room(services: InjectedServices, user: RateLimitedUser, room: Id) -> None:
    """Hide a direct room from your list until you open it again; the other user is not notified."""
    await services.rooms.set_hidden(user.subject, room, hidden=True)


@router.delete("/rooms/{room}/hidden", status_code=status.HTTP_204_NO_CONTENT, responses=_CHANGE)
async def unhide_room(services: InjectedServices, user: RateLimitedUser, room: Id) -> None:
    """List a hidden direct room again."""
    await services.rooms.set_hidden(user.subject, room, hidden=False)
