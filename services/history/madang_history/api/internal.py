"""`/internal`: what the gateway asks, to resume subscriptions and to tell repeated sends."""

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
from madang_history.store.completeness import beyond, lost_after
from madang_history.store.pages import stored_to
from madang_history.store.port import MessageStore, Stored


def internal_router(store: MessageStore, chat_log: Log) -> APIRouter:
    """Return the routes for the gateway."""
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
        """Return the audience's events after a position, and how far that can be relied on.

        At least one if any is stored; more only within both limits.
        """
        given = position_of(after)
        than = -1 if given is None else given
        shard = shard_of(audience, store.shards)
        # In this order: what is stored meanwhile may come twice to the gateway, but never not at
        # all, and a hole that is found meanwhile is told.
        stored = stored_to(await store.progress(shard))
        found = await store.after(audience, than, limit + 1)
        fitting = _fitting(found[:limit], limit_bytes)
        return json_response(
            {
                "items": [full_event(event) for event in fitting],
                "complete": len(fitting) == len(found),
                "stored_to": optional_id(stored),
                "reaches": await _reaches(store, chat_log, shard, than, stored),
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


async def _reaches(
    store: MessageStore, chat_log: Log, shard: int, after: int, stored: int | None
) -> bool:
    """Tell whether no event after position `after` is lost, in the store or in the log."""
    if lost_after(after, await store.holes(shard)):
        return False
    if stored is not None and after <= stored:
        return True
    try:
        return not beyond(after, await chat_log.end(shard))
    except LogError as error:
        raise Unavailable("The chat log does not answer; try again in a moment.") from error


def _fitting(events: list[Stored], limit_bytes: int) -> list[Stored]:
    """Return the first of `events`, and as many after it as fit into `limit_bytes` with it."""
    sizes = accumulate(len(event.line) for event in events)
    return [
        event
        for number, (event, size) in enumerate(zip(events, sizes, strict=True))
        if not number or size <= limit_bytes
    ]
