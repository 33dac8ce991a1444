"""Response bodies of history: schemas, and their serialization."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict

from madang_common.http.openapi import example
from madang_common.log.position import to_id
from madang_history.store.port import StoredEvent


class EventBody(BaseModel):
    """An event, exactly as clients receive it over STOMP."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example(
            {
                "id": "000000000800",
                "v": 1,
                "key": "06h06kti3fq5ek2v3p0m7s1c",
                "kind": "message.created",
                "room": "06h06kth7cvnl2h7pm7u28th",
                "sender": "06h06ktdkrb2i5o61ro2lqhs",
                "sender_name": "민지",
                "at": "2026-01-31T09:00:00Z",
                "data": {"text": "hello"},
            }
        ),
    )

    id: str
    v: int
    key: str
    kind: str
    room: str
    sender: str
    sender_name: str
    at: str
    data: dict[str, Any]


class MessagePage(BaseModel):
    """Events of a room, oldest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[EventBody]
    before: str | None
    """`before` of the request for the older page; null if there is none."""
    after: str | None
    """`after` of the request for the newer page, or `since` of a subscription."""


class Count(BaseModel):
    """Number of messages of other users after an event."""

    model_config = ConfigDict(use_attribute_docstrings=True, **example({"count": 3, "more": False}))

    count: int
    more: bool
    """True if there may be more than `count`."""


class StoredEvents(BaseModel):
    """Stored events of an audience, for the gateway."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[dict[str, Any]]
    """Each as in the log, with its `id`."""
    complete: bool
    """False if there are more stored events."""
    stored_to: str | None
    """Id up to which the audience's shard is stored completely."""
    reaches: bool
    """False if events after the requested id may be lost, or the id is not of this log."""


class StoredLog(BaseModel):
    """The log that history stores."""

    model_config = ConfigDict(use_attribute_docstrings=True, **example({"epoch": 0, "shards": 2}))

    epoch: int
    """The newest epoch."""
    shards: int
    """Its number of shards."""


def json_response(document: object) -> Response:
    """Return `document` as a JSON response."""
    return Response(orjson.dumps(document), media_type="application/json")


def client_body(stored: StoredEvent) -> dict[str, Any]:
    """Return the event as clients receive it over STOMP."""
    return stored.event.document_at(stored.position)


def full_event(stored: StoredEvent) -> bytes:
    """Return the event as it is in the log, with headers and id."""
    document = stored.event.document(with_headers=True)
    return orjson.dumps(document | {"id": to_id(stored.position)})


def client_bodies(items: Iterable[StoredEvent]) -> list[dict[str, Any]]:
    """Return several events as clients receive them."""
    return [client_body(stored) for stored in items]


def optional_id(position: int | None) -> str | None:
    """Return the id of `position`, or None for none."""
    return None if position is None else to_id(position)
