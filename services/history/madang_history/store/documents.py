"""The store's documents in MongoDB: schemas and indexes."""

from typing import Any

from pymongo import ASCENDING, IndexModel

EVENTS = "events"
MESSAGES = "messages"
LINES = "events_of_version_1"
"""The events of the version before, until `madang-history migrate` has moved them."""
SHARD_KEYS = {EVENTS: "audience", MESSAGES: "room"}
"""Shard keys of the collections in a sharded cluster; they do not depend on the log's shards.

Every unique index starts with the shard key, so that one server can detect duplicates. `_id` is not
unique across a cluster by itself; but equal ids have the same audience or room, and so are on the
same server.
"""

BY_ID = "_id_"
"""Events of an audience by position; unique."""
BY_KEY = "by_sender_and_key"
"""Events of an audience by idempotency key; unique."""
BY_KIND = "by_kind_and_position"
"""Events of an audience and a kind by position; includes the sender, for unread counts."""
BY_MESSAGE = "by_message_kind_and_position"
"""Events of an audience that are about a message, by that message and their kind."""
BY_ROOM = "by_room_and_position"
"""Messages of a room by position."""
BY_THREAD = "by_room_thread_and_position"
"""Replies of a thread by position."""
BY_PIN = "by_room_and_position_if_pinned"
"""Pinned messages of a room by position."""
BY_DELETION = "by_room_and_position_if_deleted"
"""Deleted messages of a room by position."""
BY_FIRST = "by_first"
"""Gaps of a shard by their first offset; unique."""


def _index(
    name: str, *fields: str, unique: bool = False, where_set: str | None = None
) -> IndexModel:
    """Return an index; with `where_set`, only of documents that have this field."""
    options: dict[str, Any] = {"unique": True} if unique else {}
    if where_set is not None:
        options["partialFilterExpression"] = {where_set: {"$exists": True}}
    return IndexModel([(field, ASCENDING) for field in fields], name=name, **options)


EVENT_INDEXES = (
    _index(BY_KEY, "audience", "sender", "key", unique=True),
    _index(BY_KIND, "audience", "kind", "position", "sender"),
    _index(BY_MESSAGE, "audience", "message", "kind", "position", where_set="message"),
)
MESSAGE_INDEXES = (
    _index(BY_ROOM, "room", "position"),
    # A message that nobody replied to, pinned or deleted is in none of these.
    _index(BY_THREAD, "room", "thread", "position", where_set="thread"),
    _index(BY_PIN, "room", "position", "pinned_by", where_set="pinned_by"),
    _index(BY_DELETION, "room", "position", "sender", where_set="deleted_by"),
)
GAP_INDEXES = (_index(BY_FIRST, "shard", "first", unique=True),)

_TEXT = {"bsonType": "string"}
_OBJECT = {"bsonType": "object"}
_LARGE = {"bsonType": "long", "minimum": 0}
_SHARD = {"bsonType": "int", "minimum": 0}
_TIME = {"bsonType": ["date", "null"]}
"""Null if the sender's `at` is no time."""


def _several(item: dict[str, Any]) -> dict[str, Any]:
    return {"bsonType": "array", "items": item}


_TEXTS = _several(_TEXT)


def _schema(**properties: Any) -> dict[str, Any]:
    """Return a schema that requires all of `properties`; later releases may add others."""
    return {"bsonType": "object", "required": list(properties), "properties": properties}


def _with_optional(schema: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return schema | {"properties": schema["properties"] | properties}


EVENT = _with_optional(
    _schema(
        _id=_TEXT,
        audience=_TEXT,
        position=_LARGE,
        at=_TIME,
        kind=_TEXT,
        sender=_TEXT,
        sender_name=_TEXT,
        key=_TEXT,
        data=_OBJECT,
    ),
    room=_TEXT,
    user=_TEXT,
    headers=_OBJECT,
    message=_TEXT,
    at_text=_TEXT,
    escaped={"bsonType": "array", "items": {"enum": ["data", "headers"]}},
) | {"oneOf": [{"required": ["room"]}, {"required": ["user"]}]}
# `version` and `type` are optional, because the release before does not write them, and `text`,
# because a deleted message has none.
MESSAGE = _with_optional(
    _schema(
        _id=_TEXT,
        room=_TEXT,
        position=_LARGE,
        at=_TIME,
        sender=_TEXT,
        sender_name=_TEXT,
    ),
    version=_TEXT,
    type=_TEXT,
    text=_TEXT,
    at_text=_TEXT,
    edited_at=_TIME,
    edited_at_text=_TEXT,
    deleted_at=_TIME,
    deleted_at_text=_TEXT,
    deleted_by=_TEXT,
    reason=_TEXT,
    pinned_at=_TIME,
    pinned_at_text=_TEXT,
    pinned_by=_TEXT,
    reply_to=_TEXT,
    thread=_TEXT,
    mentions=_TEXTS,
    reactions=_several(_schema(emoji=_TEXT, users=_TEXTS)),
    thread_summary=_with_optional(
        _schema(
            replies={"bsonType": ["int", "long"], "minimum": 1},
            last_reply=_TEXT,
            last_reply_at=_TIME,
            participants=_TEXTS,
        ),
        last_reply_at_text=_TEXT,
    ),
    meta=_OBJECT,
    attachments=_several(_OBJECT),
    escaped={"enum": [True]},
)
PROGRESS = _schema(_id=_SHARD, next=_LARGE)
"""Also `end`, and `sealed_at` and `lost` once the shard's epoch is stored to its end."""
GAP = _schema(shard=_SHARD, first=_LARGE, after=_LARGE)
"""Also `at`, when it was found."""
STORE = _schema(_id={"enum": ["log"]}, shards={"bsonType": "int", "minimum": 1})
"""Epoch 0; later ones are in `epochs`."""
EPOCH = _schema(_id={"bsonType": "int", "minimum": 1}, shards={"bsonType": "int", "minimum": 1})
