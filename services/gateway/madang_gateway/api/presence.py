"""REST: who is in a room now."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from madang_common.clock import rfc3339
from madang_common.http.security import User
from madang_common.problems import Unavailable
from madang_gateway.api.parameters import RoomId
from madang_gateway.backends.memberships import Memberships
from madang_gateway.presence.port import BoardError, PresenceStore

MOST_PEOPLE = 200

Limit = Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="Most people of the page")]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=64, description="`next` of the page before"),
]


class PersonView(BaseModel):
    """Somebody who is in the room."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    user: str
    name: str
    """What others see."""


class PresenceView(BaseModel):
    """Who is in the room, by id."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[PersonView]
    count: int
    """How many there are, on this page or not."""
    next: str | None = None
    at: str
    """RFC 3339, UTC: notices from before tell nothing new."""


def router(board: PresenceStore, memberships: Memberships) -> APIRouter:
    """Return the routes, which ask `board`."""
    routes = APIRouter(prefix="/api/gateway/v1", tags=["gateway"])

    @routes.get("/rooms/{room}/presence")
    async def presence(
        room: RoomId, who: User, limit: Limit = 50, cursor: Cursor = None
    ) -> PresenceView:
        """Return who is in a room you are a member of: whoever follows it, on any gateway."""
        await memberships.check_read(who.subject, room)
        try:
            found = await board.present(room, after=cursor or "", limit=limit)
        except BoardError as error:
            raise Unavailable(
                "Presence is not available now; try again.", retry_after_seconds=1
            ) from error
        # They may have left while the board was asked.
        await memberships.check_read(who.subject, room)
        return PresenceView(
            items=[PersonView(user=user, name=name) for user, name in found.people],
            count=found.count,
            next=found.people[-1].user if found.more else None,
            at=rfc3339(found.at),
        )

    return routes
