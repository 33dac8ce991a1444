"""The store's documents in MongoDB: schemas, indexes and queries."""

from typing import Any, NamedTuple

from bson import Int64
from pymongo import ASCENDING, IndexModel

from madang_common.log.position import shard_of, to_id
from madang_history.store.port import LAST, Entry, Kinds

SHARD_KEY = ("shard", "audience")
"""Shard key of `events` in a sharded cluster: spreads the log's shards, keeps audiences together.

Every unique index starts with it, so that one server can detect duplicates. `_id` is not unique
across a cluster by itself; but equal ids have the same audience, and so are on the same server.
"""

BY_ID = "_id_"
"""Events of an audience by position; unique."""
BY_KEY = "by_key"
"""Events by idempotency key; unique."""
BY_KIND = "by_kind_with_sender"
"""Events of an audience and a kind by position; includes the sender, for unread counts."""
BY_FIRST = "by_first"
"""Gaps of a shard by their first offset; unique."""


def _index(name: str, *fields: str, unique: bool = False) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, unique=unique)


EVENT_INDEXES = (
    _index(BY_KEY, *SHARD_KEY, "sender", "key", unique=True),
    _index(BY_KIND, *SHARD_KEY, "kind", "position", "sender"),
)
GAP_INDEXES = (_index(BY_FIRST, "shard", "first", unique=True),)

_TEXT = {"bsonType": "string"}
_LARGE = {"bsonType": "long", "minimum": 0}
_SHARD = {"bsonType": "int", "minimum": 0}


def _schema(**properties: Any) -> dict[str, Any]:
    """Return a schema that requires all of `properties`; later releases may add others."""
    return {"bsonType": "object", "required": list(properties), "properties": properties}


EVENT = _schema(
    _id=_TEXT,
    shard=_SHARD,
    audience=_TEXT,
    position=_LARGE,
    kind=_TEXT,
    sender=_TEXT,
    key=_TEXT,
    line={"bsonType": "binData"},
)
PROGRESS = _schema(_id=_SHARD, next=_LARGE)
GAP = _schema(shard=_SHARD, first=_LARGE, after=_LARGE)
STORE = _schema(_id={"enum": ["log"]}, shards={"bsonType": "int", "minimum": 1})


def event(entry: Entry, shards: int) -> dict[str, Any]:
    """Return the document of `entry`."""
    return shard_key(entry.audience, shards) | {
        "_id": event_id(entry.audience, entry.position),
        "position": Int64(entry.position),
        "kind": entry.kind,
        "sender": entry.sender,
        "key": entry.key,
        "line": entry.line,
    }


def shard_key(audience: str, shards: int) -> dict[str, Any]:
    """Return the shard key of the documents of `audience`."""
    return {"shard": shard_of(audience, shards), "audience": audience}


def event_id(audience: str, position: int) -> str:
    """Return the `_id` of an event; ids of one audience sort by position."""
    return f"{audience}/{to_id(position)}"


class Range(NamedTuple):
    """A query for events between two positions."""

    query: dict[str, Any]
    order: str
    """The field to sort by."""
    index_name: str
    """The index with this order, as a hint: the planner might sort instead."""


def range_of(
    audience: str, shards: int, kinds: Kinds, *, above: int = -1, below: int | None = None
) -> Range:
    """Return the query for events of `kinds` between two positions, both exclusive."""
    key = shard_key(audience, shards)
    if kinds:
        ends = {"$gt": Int64(above)} | ({} if below is None else {"$lt": Int64(below)})
        query = key | {"kind": {"$in": list(kinds)}, "position": ends}
        return Range(query, "position", BY_KIND)
    # "/" sorts before every digit, and "~" after.
    least = event_id(audience, above) if above >= 0 else f"{audience}/"
    most = f"{audience}/~" if below is None or below > LAST else event_id(audience, below)
    return Range(key | {"_id": {"$gt": least, "$lt": most}}, "_id", BY_ID)
