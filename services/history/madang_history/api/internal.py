"""`/internal`: events for the gateway's recovery, look-up by key, messages, and the current log."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Response

from madang_common.events.envelope import room_audience
from madang_common.http.security import only
from madang_common.log.port import Log, LogError
from madang_common.problems import NotFound, Unavailable
from madang_fold import to_json
from madang_history.api.bodies import (
    MessageAnswers,
    MessageQuestions,
    StoredEvents,
    StoredLog,
    full_event,
    json_response,
    optional_id,
)
from madang_history.api.parameters import (
    After,
    Audience,
    ByteLimit,
    EventLimit,
    Key,
    Sender,
    position_of,
)
from madang_history.store.coverage import Coverage
from madang_history.store.epochs import check_log
from madang_history.store.port import MessageKey, MessageStore, StoreMismatch


def internal_router(store: MessageStore, coverage: Coverage, chat_log: Log) -> APIRouter:
    """Return the endpoints for the gateway, one of them also for rooms."""
    router = APIRouter(prefix="/internal", tags=["internal"])

    @router.get("/log", dependencies=[Depends(only("gateway", "rooms"))])
    async def log() -> StoredLog:
        """Return the newest epoch of the log, to which others must append.

        Refused while the log is lost: what is appended then would use ids again.
        """
        try:
            await check_log(chat_log, store)
        except (LogError, StoreMismatch) as error:
            raise Unavailable(f"The chat log cannot be used: {error}") from error
        newest = (await store.epochs())[-1]
        return StoredLog(epoch=newest.number, shards=newest.shards)

    @router.get("/events", response_model=StoredEvents, dependencies=[Depends(only("gateway"))])
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
        # In this order: an event that is stored during the request may reach the gateway twice but
        # is never missing, and a gap that is recorded during it is reported.
        stored = await coverage.stored_to(audience)
        found = await store.after(audience, start, limit + 1)
        items = _within(map(full_event, found[:limit]), limit_bytes)
        return json_response(
            {
                "items": [orjson.Fragment(event) for event in items],
                "complete": len(items) == len(found),
                "stored_to": optional_id(stored),
                "reaches": await coverage.is_complete_after(audience, start, stored, chat_log),
            }
        )

    @router.get("/keys", response_model=dict[str, Any], dependencies=[Depends(only("gateway"))])
    async def key(audience: Audience, sender: Sender, key: Key) -> Response:
        """Return the event that the sender gave this key."""
        stored = await store.by_key(audience, sender, key)
        if stored is None:
            raise NotFound("There is no such event.")
        return json_response(orjson.Fragment(full_event(stored)))

    @router.post(
        "/messages", response_model=MessageAnswers, dependencies=[Depends(only("gateway"))]
    )
    async def messages(body: MessageQuestions) -> Response:
        """Return the present state of messages, and up to where it is known."""
        keys = [MessageKey(question.room, question.message) for question in body.questions]
        # In this order: a state has at least the events up to `stored_to`.
        stored = await coverage.stored_to_each({room_audience(key.room) for key in keys})
        states = await store.messages(set(keys))
        answers = [
            {
                "room": key.room,
                "message": key.id,
                "state": to_json(states[key]) if key in states else None,
                "stored_to": optional_id(stored[room_audience(key.room)]),
            }
            for key in keys
        ]
        return json_response({"answers": answers})

    return router


def _within(events: Iterable[bytes], limit_bytes: int) -> list[bytes]:
    """Return the first of `events`, and the following ones within `limit_bytes`."""
    within: list[bytes] = []
    size = 0
    for event in events:
        size += len(event)
        if within and size > limit_bytes:
            break
        within.append(event)
    return within
