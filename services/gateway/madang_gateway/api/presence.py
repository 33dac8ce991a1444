"""REST: who is in a room now."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from madang_common.clock import rfc3339
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.problems import NotAMember, NotFound, Unavailable
from madang_gateway.api.parameters import RoomId
from madang_gateway.backends.memberships import Memberships
from madang_gateway.presence.port import PresenceStore, PresenceStoreError

MOST_PEOPLE = 200

Limit = Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="Most items on the page.")]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=64, description="`next` of the previous page."),
]


class PersonView(BaseModel):
    """A user who is in the room."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example({"user": "06h06ktdkrb2i5o61ro2lqhs", "name": "민지"}),
    )

    user: str
    name: str
    """What others see."""


class PresenceView(BaseModel):
    """Who is in the room, by id."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example(
            {
                "items": [{"user": "06h06ktdkrb2i5o61ro2lqhs", "name": "민지"}],
                "count": 1,
                "at": "2026-01-31T09:00:00Z",
            }
        ),
    )

    items: list[PersonView]
    count: int
    """How many users are present, on all pages."""
    next: str | None = None
    at: str
    """RFC 3339, UTC; ignore presence events that are older."""


def router(store: PresenceStore, memberships: Memberships) -> APIRouter:
    """Return the routes, which ask `store`."""
    routes = APIRouter(prefix="/api/gateway/v1", tags=["presence"])

    @routes.get(
        "/rooms/{room}/presence",
        operation_id="listPresent",
        responses=refuses(NotAMember, NotFound),
    )
    async def presence(
        room: RoomId, who: User, limit: Limit = 50, cursor: Cursor = None
    ) -> PresenceView:
        """Return the users who are subscribed to a room that you are a member of."""
        await memberships.check_read(who.subject, room)
        try:
            found = await store.page(room, after=cursor or "", limit=limit)
        except PresenceStoreError as error:
            raise Unavailable(
                "Presence is not available now; try again.", retry_after_seconds=1
            ) from error
        # They may have left while the store was asked.
        await memberships.check_read(who.subject, room)
        return PresenceView(
            items=[PersonView(user=user, name=name) for user, name in found.users],
            count=found.count,
            next=found.users[-1].user if found.more else None,
            at=rfc3339(found.at),
        )

    return routes
