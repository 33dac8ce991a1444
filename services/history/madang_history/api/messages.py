"""`/api/history/v1/rooms/{room}/messages`: reading back, for members of the room."""

from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Response

from madang_common import access
from madang_common.access import Question
from madang_common.events.envelope import room_audience
from madang_common.http.security import User
from madang_common.problems import InvalidRequest, NotFound
from madang_history.api.bodies import (
    Count,
    EventBody,
    MessagePage,
    client_bodies,
    client_body,
    json_response,
    optional_id,
)
from madang_history.api.parameters import (
    After,
    Around,
    Before,
    KindList,
    Limit,
    MessageId,
    Room,
    position_of,
)
from madang_history.pages import Page, Pages
from madang_history.store.port import MessageStore

_COUNTED = ("message.created",)


def messages_router(
    store: MessageStore, rooms: httpx.AsyncClient, *, unread_limit: int
) -> APIRouter:
    """Return the routes that read `store` for whom `rooms` knows as a member."""
    router = APIRouter(prefix="/api/history/v1/rooms/{room}/messages", tags=["messages"])
    pages = Pages(store)

    async def readable(room: Room, user: User) -> str:
        """Return the audience of a room that the user may read."""
        (answer,) = await access.ask(rooms, [Question(user=user.subject, room=room)])
        answer.check_read()
        return room_audience(room)

    Audience = Annotated[str, Depends(readable)]  # noqa: N806 - a type, made where `rooms` is known

    @router.get("", response_model=MessagePage)
    async def messages(
        audience: Audience,
        kinds: KindList = [],  # noqa: B006 - FastAPI copies it
        limit: Limit = 50,
        before: Before = None,
        after: After = None,
        around: Around = None,
    ) -> Response:
        """Return a page of the room's events, oldest first: the newest, or beside a given one."""
        if sum(given is not None for given in (before, after, around)) > 1:
            raise InvalidRequest("give one of before, after and around")
        if (than := position_of(before)) is not None:
            page = await pages.before(audience, than, limit, kinds)
        elif (than := position_of(after)) is not None:
            page = await pages.after(audience, than, limit, kinds)
        elif (than := position_of(around)) is not None:
            page = await pages.around(audience, than, limit, kinds)
        else:
            page = await pages.newest(audience, limit, kinds)
        return json_response(_document(page))

    # Before `/{message}`, which would take "count" for an id.
    @router.get("/count")
    async def count(audience: Audience, after: After = None) -> Count:
        """Return how many messages came after an event, up to a limit."""
        than = position_of(after)
        found = await store.count_after(
            audience, -1 if than is None else than, _COUNTED, unread_limit + 1
        )
        return Count(count=min(found, unread_limit), more=found > unread_limit)

    @router.get("/{message}", response_model=EventBody)
    async def message(audience: Audience, message: MessageId) -> Response:
        """Return one event of the room."""
        than = position_of(message)
        stored = None if than is None else await store.one(audience, than)
        if stored is None:
            raise NotFound("there is no such message in this room")
        return json_response(client_body(stored))

    return router


def _document(page: Page) -> dict[str, object]:
    return {
        "items": client_bodies(page.items),
        "before": optional_id(page.before),
        "after": optional_id(page.after),
    }
