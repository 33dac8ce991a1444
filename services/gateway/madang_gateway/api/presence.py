"""REST: the users who are present in a room."""

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

MAX_PAGE = 200

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Most items on the page.")]
Cursor = Annotated[
    str | None,
    Query(min_length=1, max_length=64, description="`next` of the previous page."),
]


class PersonView(BaseModel):
    """A user who is present in the room."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example({"user": "06h06ktdkrb2i5o61ro2lqhs", "name": "민지"}),
    )

    user: str
    name: str
    """The user's display name."""


class PresenceView(BaseModel):
    """A page of the users who are present in a room, sorted by id."""

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
    """Number of users who are present, on all pages."""
    next: str | None = None
    at: str
    """RFC 3339, UTC; ignore presence events that are older."""


def router(store: PresenceStore, memberships: Memberships) -> APIRouter:
    """Return the routes, which read `store`."""
    routes = APIRouter(prefix="/api/gateway/v1", tags=["presence"])

    @routes.get(
        "/rooms/{room}/presence",
        operation_id="listPresent",
        responses=refuses(NotAMember, NotFound),
    )
    async def presence(
        room: RoomId, user: User, limit: Limit = 50, cursor: Cursor = None
    ) -> PresenceView:
        """Return the users who are subscribed to a room that you are a member of."""
        await memberships.check_read(user.subject, room)
        try:
            page = await store.page(room, after=cursor or "", limit=limit)
        except PresenceStoreError as error:
            raise Unavailable(
                "Presence is not available now; try again.", retry_after_seconds=1
            ) from error
        # The membership may have ended during the request to the store.
        await memberships.check_read(user.subject, room)
        return PresenceView(
            items=[PersonView(user=present.user, name=present.name) for present in page.users],
            count=page.count,
            next=page.users[-1].user if page.more else None,
            at=rfc3339(page.at),
        )

    return routes
