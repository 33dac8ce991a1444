"""`/api/history/v1/rooms/{room}/messages`: the messages of a room, for its members."""

from functools import partial
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Response

from madang_common.access import MAX_QUERIES, Access, AccessQuery, fetch_access
from madang_common.coalescing import Coalescer
from madang_common.events.envelope import room_audience
from madang_common.events.kinds import UNREAD
from madang_common.http.openapi import refuses
from madang_common.http.security import User
from madang_common.problems import InvalidRequest, NotAMember, NotFound
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
    MessageId,
    PageRequest,
    RequestedPage,
    Room,
    position_of,
)
from madang_history.store.coverage import Coverage
from madang_history.store.pages import Page, Pages, Snapshot, current_snapshot
from madang_history.store.port import MessageStore

_EXAMINED_PER_COUNTED = 4
"""Messages examined for each one that a count may return; the reader's own do not count."""


def messages_router(
    store: MessageStore, rooms: httpx.AsyncClient, *, unread_limit: int
) -> APIRouter:
    """Return the endpoints that read `store`, for members according to `rooms`."""
    router = APIRouter(prefix="/api/history/v1/rooms/{room}/messages", tags=["messages"])
    pages = Pages(store)
    coverage = Coverage(store)
    access = Coalescer(partial(fetch_access, rooms), most=MAX_QUERIES)

    async def readable(room: Room, user: User) -> Snapshot:
        return await _readable(coverage, access, room, user.subject)

    Events = Annotated[Snapshot, Depends(readable)]  # noqa: N806 - a type, made for `rooms`

    @router.get(
        "",
        response_model=MessagePage,
        operation_id="listMessages",
        responses=refuses(InvalidRequest, NotAMember, NotFound),
    )
    async def messages(events: Events, requested: RequestedPage) -> Response:
        """Return a page of the room's events, oldest first: the newest, or the one at a cursor."""
        return json_response(_document(await _page(pages, events, requested)))

    # Before `/{message}`, which would take "count" for an id.
    @router.get("/count", operation_id="countMessages", responses=refuses(NotAMember, NotFound))
    async def count(events: Events, user: User, after: After = None) -> Count:
        """Return how many messages of other users came after an event, up to a limit."""
        return await _count(store, events, position_of(after), user.subject, unread_limit)

    @router.get(
        "/{message}",
        response_model=EventBody,
        operation_id="getMessage",
        responses=refuses(NotAMember, NotFound),
    )
    async def message(events: Events, message: MessageId) -> Response:
        """Return one event of the room."""
        position = position_of(message)
        stored = None if position is None else await pages.get(events, position)
        if stored is None:
            raise NotFound("There is no such message in this room.")
        return json_response(client_body(stored))

    return router


async def _readable(
    coverage: Coverage, access: Coalescer[AccessQuery, Access], room: str, user: str
) -> Snapshot:
    """Return the events of `room` that `user` may read; raise NotFound or NotAMember."""
    # In this order: the access check covers all events stored before it. Later ones may have been
    # sent after the user was removed.
    events = await current_snapshot(coverage, room_audience(room))
    (await access.get(AccessQuery(user=user, room=room))).check_read()
    return events


async def _count(
    store: MessageStore, events: Snapshot, after: int | None, reader: str, limit: int
) -> Count:
    """Count the messages of others after a position, up to `limit`."""
    most = limit * _EXAMINED_PER_COUNTED + 1
    found = await store.count_after(
        events.audience,
        -1 if after is None else after,
        UNREAD,
        upto=events.upto,
        reader=reader,
        most=most,
    )
    more = found.by_others > limit or found.examined == most
    return Count(count=min(found.by_others, limit), more=more)


async def _page(pages: Pages, events: Snapshot, requested: PageRequest) -> Page:
    limit, kinds = requested.limit, requested.kinds
    if requested.before is not None:
        return await pages.before(events, requested.before, limit, kinds)
    if requested.after is not None:
        return await pages.after(events, requested.after, limit, kinds)
    if requested.around is not None:
        return await pages.around(events, requested.around, limit, kinds)
    return await pages.newest(events, limit, kinds)


def _document(page: Page) -> dict[str, object]:
    return {
        "items": client_bodies(page.items),
        "before": optional_id(page.before),
        "after": optional_id(page.after),
    }
