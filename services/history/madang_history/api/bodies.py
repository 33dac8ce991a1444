"""Response bodies of history: schemas, and their serialization."""

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.fields import EventId
from madang_common.http.openapi import example
from madang_common.log.position import to_id
from madang_fold import Message, to_json
from madang_history.store.pages import Page
from madang_history.store.port import StoredEvent

MAX_QUESTIONS = 500
"""Most messages that a gateway asks for in one request."""


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


class EventPage(BaseModel):
    """Events of a room, oldest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[EventBody]
    before: str | None
    """`before` of the request for the older page; null if there is none."""
    after: str | None
    """`after` of the request for the newer page, or `since` of a subscription."""


class VersionPage(BaseModel):
    """The events that created and edited a message, oldest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[EventBody]
    after: str | None
    """`after` of the request for the next page; null if there is none."""


class ReactionBody(BaseModel):
    """The reactions to a message with one emoji."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    emoji: str
    count: int
    mine: bool
    """Whether the reader is one of `users`."""
    users: list[str]
    """Ids of the users, in the order in which they reacted."""


class ThreadBody(BaseModel):
    """The replies in a message's thread."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    replies: int
    """How many replies were sent; deleted ones count."""
    last_reply: str
    """Id of the newest reply."""
    last_reply_at: str
    participants: list[str]
    """Ids of the first users who replied, at most five."""


class MessageBody(BaseModel):
    """A message in its present state; a field that is not set is not in it."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example(
            {
                "id": "000000000800",
                "version": "000000000a00",
                "sender": "06h06ktdkrb2i5o61ro2lqhs",
                "sender_name": "민지",
                "at": "2026-01-31T09:00:00.000Z",
                "type": "text",
                "text": "Lunch at noon?",
                "edited_at": "2026-01-31T09:00:30.000Z",
                "reactions": [
                    {
                        "emoji": "👍",
                        "count": 1,
                        "mine": True,
                        "users": ["06h06kteqf9fct0dendon72d"],
                    }
                ],
                "thread_summary": {
                    "replies": 1,
                    "last_reply": "000000000900",
                    "last_reply_at": "2026-01-31T09:00:10.000Z",
                    "participants": ["06h06kteqf9fct0dendon72d"],
                },
            }
        ),
    )

    id: str
    """Id of the event that created it."""
    version: str
    """Id of the last event that this state includes."""
    sender: str
    sender_name: str
    at: str
    type: str
    text: str | None = None
    """Not set if the message is deleted."""
    meta: dict[str, Any] | None = None
    attachments: list[dict[str, Any]] | None = None
    mentions: list[str] | None = None
    reply_to: str | None = None
    """Id of the message that this one answers."""
    thread: str | None = None
    """Id of the message whose thread this one belongs to."""
    edited_at: str | None = None
    deleted: bool | None = None
    """True if the message is deleted; its content is gone."""
    deleted_at: str | None = None
    deleted_by: str | None = None
    reason: str | None = None
    reactions: list[ReactionBody] | None = None
    """In the order in which the emoji were used first."""
    pinned_at: str | None = None
    pinned_by: str | None = None
    thread_summary: ThreadBody | None = None
    """Set if the message has replies."""


class MessagePage(BaseModel):
    """Messages of a room in their present state, in the order in which they were created."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[MessageBody]
    before: str | None
    """`before` of the request for the older page; null if there is none."""
    after: str | None
    """`after` of the request for the newer page."""


class Count(BaseModel):
    """Number of messages of other users after an id."""

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


class MessageQuestion(BaseModel):
    """Asks for a message of a room."""

    room: Annotated[str, Field(min_length=1, max_length=64)]
    message: EventId


class MessageQuestions(BaseModel):
    """Body of `POST /internal/messages`."""

    questions: Annotated[list[MessageQuestion], Field(max_length=MAX_QUESTIONS)]


class MessageAnswer(BaseModel):
    """The present state of a message."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    room: str
    message: str
    state: dict[str, Any] | None
    """As the fold has it; null if the room has no such message."""
    stored_to: str | None
    """Id up to which the room's shard is stored completely; later events may not be in `state`."""


class MessageAnswers(BaseModel):
    """Response of `POST /internal/messages`, in the order of the questions."""

    answers: list[MessageAnswer]


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


def message_body(message: Message, reader: str) -> dict[str, Any]:
    """Return the message as `reader` sees it."""
    document = to_json(message)
    if message.deleted:
        document["deleted"] = True
    if message.reactions:
        document["reactions"] = [
            {
                "emoji": emoji,
                "count": len(users),
                "mine": reader in users,
                "users": list(users),
            }
            for emoji, users in message.reactions.items()
        ]
    return document


def page_document(page: Page[Any], items: list[dict[str, Any]]) -> dict[str, object]:
    """Return the body of `page`, which contains `items`."""
    return {
        "items": items,
        "before": optional_id(page.before),
        "after": optional_id(page.after),
    }


def optional_id(position: int | None) -> str | None:
    """Return the id of `position`, or None for none."""
    return None if position is None else to_id(position)
