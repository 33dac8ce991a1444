"""`/api/history/v1/rooms/{room}/events`: what happened in a room, for its members."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from madang_common.http.openapi import refuses
from madang_common.problems import InvalidRequest, NotAMember, NotFound
from madang_history.api.bodies import (
    EventBody,
    EventPage,
    client_bodies,
    client_body,
    json_response,
    page_document,
)
from madang_history.api.parameters import (
    EventName,
    RequestedKinds,
    RequestedPage,
    position_of,
)
from madang_history.api.reading import Readers, Reading
from madang_history.store.pages import EventSeries, Pages
from madang_history.store.port import MessageStore


def events_router(store: MessageStore, readers: Readers) -> APIRouter:
    """Return the endpoints for the events of a room."""
    router = APIRouter(prefix="/api/history/v1/rooms/{room}/events", tags=["events"])
    Allowed = Annotated[Reading, Depends(readers.begin)]  # noqa: N806 - a type, made for `readers`

    @router.get(
        "",
        response_model=EventPage,
        operation_id="listEvents",
        responses=refuses(InvalidRequest, NotAMember, NotFound),
    )
    async def events(reading: Allowed, requested: RequestedPage, kinds: RequestedKinds) -> Response:
        """Return a page of the room's events, oldest first: the newest, or the one at a cursor.

        The events of deleted messages have lost their content.
        """
        series = EventSeries(store, reading.snapshot.audience, kinds)
        page = await requested.of(Pages(series, reading.upto))
        return json_response(page_document(page, client_bodies(page.items)))

    @router.get(
        "/{event}",
        response_model=EventBody,
        operation_id="getEvent",
        responses=refuses(NotAMember, NotFound),
    )
    async def event(reading: Allowed, event: EventName) -> Response:
        """Return one event of the room."""
        position = position_of(event)
        stored = None
        if position is not None and position <= reading.upto:
            stored = await store.get(reading.snapshot.audience, position)
        if stored is None:
            raise NotFound("There is no such event in this room.")
        return json_response(client_body(stored))

    return router
