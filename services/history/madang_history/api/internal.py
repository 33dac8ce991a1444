"""`/internal`: events for the gateway's recovery of subscriptions, and look-up by key."""

from itertools import accumulate
from typing import Any

from fastapi import APIRouter, Depends, Response

from madang_common.http.security import only
from madang_common.log.port import Log, LogError
from madang_common.log.position import shard_of
from madang_common.problems import NotFound, Unavailable
from madang_history.api.bodies import StoredEvents, full_event, json_response, optional_id
from madang_history.api.parameters import (
    After,
    Audience,
    ByteLimit,
    EventLimit,
    Key,
    Sender,
    position_of,
)
from madang_history.store.completeness import has_gap_after, is_beyond_end
from madang_history.store.pages import stored_to
from madang_history.store.port import MessageStore, StoredEvent


def internal_router(store: MessageStore, chat_log: Log) -> APIRouter:
    """Return the endpoints for the gateway."""
    router = APIRouter(
        prefix="/internal", tags=["internal"], dependencies=[Depends(only("gateway"))]
    )

    @router.get("/events", response_model=StoredEvents)
    async def events(
        audience: Audience,
        after: After = None,
        limit: EventLimit = 500,
        limit_bytes: ByteLimit = 524_288,
    ) -> Response:
        """Return the audience's events after an id, within both limits, and whether that is all.

        At least one event is returned, if any is stored, even if it exceeds `limit_bytes`.
        """
        given = position_of(after)
        start = -1 if given is None else given
        shard = shard_of(audience, store.shards)
        # In this order: an event that is stored during the request may reach the gateway twice but
        # is never missing, and a gap that is recorded during it is reported.
        stored = stored_to(await store.progress(shard))
        found = await store.after(audience, start, limit + 1)
        items = _within(found[:limit], limit_bytes)
        return json_response(
            {
                "items": [full_event(event) for event in items],
                "complete": len(items) == len(found),
                "stored_to": optional_id(stored),
                "reaches": await _is_complete_after(store, chat_log, shard, start, stored),
            }
        )

    @router.get("/keys", response_model=dict[str, Any])
    async def key(audience: Audience, sender: Sender, key: Key) -> Response:
        """Return the event that the sender gave this key."""
        stored = await store.by_key(audience, sender, key)
        if stored is None:
            raise NotFound("There is no such event.")
        return json_response(full_event(stored))

    return router


async def _is_complete_after(
    store: MessageStore, chat_log: Log, shard: int, after: int, stored: int | None
) -> bool:
    """Return whether no event after position `after` is lost, in the store or in the log."""
    if has_gap_after(after, await store.gaps(shard)):
        return False
    if stored is not None and after <= stored:
        return True
    try:
        return not is_beyond_end(after, await chat_log.end(shard))
    except LogError as error:
        raise Unavailable("The chat log does not answer; retry in a moment.") from error


def _within(events: list[StoredEvent], limit_bytes: int) -> list[StoredEvent]:
    """Return the first of `events`, and the following ones within `limit_bytes`."""
    sizes = accumulate(len(event.line) for event in events)
    return [
        event
        for number, (event, size) in enumerate(zip(events, sizes, strict=True))
        if not number or size <= limit_bytes
    ]
