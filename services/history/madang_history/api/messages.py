"""`/api/history/v1/rooms/{room}/messages`: reading back, for members of the room."""

from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Response

from madang_common import access
from madang_common.access import AccessQuery
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
from madang_history.store.pages import Page, Pages, Readable, readable_now
from madang_history.store.port import Kinds, MessageStore

_COUNTED = ("message.created",)
_LOOKED_AT = 4
"""Messages that a count looks at for each that it may return; the reader's own are left out."""


def messages_router(
    store: MessageStore, rooms: httpx.AsyncClient, *, unread_limit: int
) -> APIRouter:
    """Return the routes that read `store` for whom `rooms` knows as a member."""
    router = APIRouter(prefix="/api/history/v1/rooms/{room}/messages", tags=["messages"])
    pages = Pages(store)

    async def readable(room: Room, user: User) -> Readable:
        """Return what the user may read of a room."""
        # In this order: the answer of `rooms` holds for all events stored before the question.
        # Later ones may have been sent after the user was removed.
        events = await readable_now(store, room_audience(room))
        (answer,) = await access.fetch_access(rooms, [AccessQuery(user=user.subject, room=room)])
        answer.check_read()
        return events

    Events = Annotated[Readable, Depends(readable)]  # noqa: N806 - a type, made for `rooms`

    @router.get("", response_model=MessagePage)
    async def messages(
        events: Events,
        kinds: KindList = [],  # noqa: B006 - FastAPI copies it
        limit: Limit = 50,
        before: Before = None,
        after: After = None,
        around: Around = None,
    ) -> Response:
        """Return a page of the room's events, oldest first: the newest, or beside a given one."""
        beside = (position_of(before), position_of(after), position_of(around))
        page = await _beside(pages, events, limit, kinds, *beside)
        return json_response(_document(page))

    # Before `/{message}`, which would take "count" for an id.
    @router.get("/count")
    async def count(events: Events, user: User, after: After = None) -> Count:
        """Return how many messages of others came after an event, up to a limit."""
        than = position_of(after)
        most = unread_limit * _LOOKED_AT + 1
        found = await store.count_after(
            events.audience,
            -1 if than is None else than,
            _COUNTED,
            upto=events.upto,
            reader=user.subject,
            most=most,
        )
        more = found.by_others > unread_limit or found.looked_at == most
        return Count(count=min(found.by_others, unread_limit), more=more)

    @router.get("/{message}", response_model=EventBody)
    async def message(events: Events, message: MessageId) -> Response:
        """Return one event of the room."""
        than = position_of(message)
        stored = None if than is None else await pages.one(events, than)
        if stored is None:
            raise NotFound("There is no such message in this room.")
        return json_response(client_body(stored))

    return router


async def _beside(
    pages: Pages,
    events: Readable,
    limit: int,
    kinds: Kinds,
    before: int | None,
    after: int | None,
    around: int | None,
) -> Page:
    """Return the page beside the one position that is given, or the newest."""
    if sum(given is not None for given in (before, after, around)) > 1:
        raise InvalidRequest("Give one of before, after and around.")
    if before is not None:
        return await pages.before(events, before, limit, kinds)
    if after is not None:
        return await pages.after(events, after, limit, kinds)
    if around is not None:
        return await pages.around(events, around, limit, kinds)
    return await pages.newest(events, limit, kinds)


def _document(page: Page) -> dict[str, object]:
    return {
        "items": client_bodies(page.items),
        "before": optional_id(page.before),
        "after": optional_id(page.after),
    }
