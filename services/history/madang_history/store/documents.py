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
BY_ROOM = "by_room_and_position"
"""Messages of a room by position."""
BY_FIRST = "by_first"
"""Gaps of a shard by their first offset; unique."""


def _index(name: str, *fields: str, unique: bool = False) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, unique=unique)


EVENT_INDEXES = (
    _index(BY_KEY, "audience", "sender", "key", unique=True),
    _index(BY_KIND, "audience", "kind", "position", "sender"),
)
MESSAGE_INDEXES = (_index(BY_ROOM, "room", "position"),)
GAP_INDEXES = (_index(BY_FIRST, "shard", "first", unique=True),)

_TEXT = {"bsonType": "string"}
_OBJECT = {"bsonType": "object"}
_LARGE = {"bsonType": "long", "minimum": 0}
_SHARD = {"bsonType": "int", "minimum": 0}
_TIME = {"bsonType": ["date", "null"]}
"""Null if the sender's `at` is no time."""


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
    at_text=_TEXT,
    escaped={"bsonType": "array", "items": {"enum": ["data", "headers"]}},
) | {"oneOf": [{"required": ["room"]}, {"required": ["user"]}]}
MESSAGE = _with_optional(
    _schema(
        _id=_TEXT,
        room=_TEXT,
        position=_LARGE,
        at=_TIME,
        sender=_TEXT,
        sender_name=_TEXT,
        text=_TEXT,
    ),
    at_text=_TEXT,
    escaped={"enum": [True]},
)
PROGRESS = _schema(_id=_SHARD, next=_LARGE)
"""Also `end`, and `sealed_at` and `lost` once the shard's epoch is stored to its end."""
GAP = _schema(shard=_SHARD, first=_LARGE, after=_LARGE)
"""Also `at`, when it was found."""
STORE = _schema(_id={"enum": ["log"]}, shards={"bsonType": "int", "minimum": 1})
"""Epoch 0; later ones are in `epochs`."""
EPOCH = _schema(_id={"bsonType": "int", "minimum": 1}, shards={"bsonType": "int", "minimum": 1})
