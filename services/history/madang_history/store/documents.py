"""The store's documents in MongoDB: their shapes, their indexes, and how they are asked for."""

from typing import Any, NamedTuple

from bson import Int64
from pymongo import ASCENDING, IndexModel

from madang_common.log.position import shard_of, to_id
from madang_history.store.port import LAST, Entry, Kinds

SHARD_KEY = ("shard", "audience")
"""How `events` spreads over a sharded cluster: the log's shards evenly, and each audience whole.

Every unique index begins with it, so that one server can tell a repetition. Nothing is unique by
`_id` over a whole cluster, but equal ones are of the same audience, and so meet on one server too.
"""

BY_ID = "_id_"
"""Events of an audience by position; each is there once."""
BY_KEY = "by_key"
"""The event that has a key; there is no second."""
BY_KIND = "by_kind_with_sender"
"""Events of an audience and a kind by position; with the senders, whose own are not counted."""
BY_FIRST = "by_first"
"""Holes of a shard by where they begin."""


def _index(name: str, *fields: str, unique: bool = False) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, unique=unique)


EVENT_INDEXES = (
    _index(BY_KEY, *SHARD_KEY, "sender", "key", unique=True),
    _index(BY_KIND, *SHARD_KEY, "kind", "position", "sender"),
)
HOLE_INDEXES = (_index(BY_FIRST, "shard", "first", unique=True),)

_TEXT = {"bsonType": "string"}
_LARGE = {"bsonType": "long", "minimum": 0}
_SHARD = {"bsonType": "int", "minimum": 0}


def _shape(**properties: Any) -> dict[str, Any]:
    """Return the schema of documents with all of `properties`; a later release may add some."""
    return {"bsonType": "object", "required": list(properties), "properties": properties}


EVENT = _shape(
    _id=_TEXT,
    shard=_SHARD,
    audience=_TEXT,
    position=_LARGE,
    kind=_TEXT,
    sender=_TEXT,
    key=_TEXT,
    line={"bsonType": "binData"},
)
PROGRESS = _shape(_id=_SHARD, next=_LARGE)
HOLE = _shape(shard=_SHARD, first=_LARGE, after=_LARGE)
STORE = _shape(_id={"enum": ["log"]}, shards={"bsonType": "int", "minimum": 1})


def event(entry: Entry, shards: int) -> dict[str, Any]:
    """Return the document of `entry`."""
    return place(entry.audience, shards) | {
        "_id": event_id(entry.audience, entry.position),
        "position": Int64(entry.position),
        "kind": entry.kind,
        "sender": entry.sender,
        "key": entry.key,
        "line": entry.line,
    }


def place(audience: str, shards: int) -> dict[str, Any]:
    """Return what the documents of `audience` have as shard key."""
    return {"shard": shard_of(audience, shards), "audience": audience}


def event_id(audience: str, position: int) -> str:
    """Return the `_id` of an event; within an audience they sort by position."""
    return f"{audience}/{to_id(position)}"


class Range(NamedTuple):
    """Events between two positions."""

    query: dict[str, Any]
    order: str
    """The field to sort by."""
    through: str
    """The index that has them in this order: it is named, for the planner might sort instead."""


def range_of(
    audience: str, shards: int, kinds: Kinds, *, above: int = -1, below: int | None = None
) -> Range:
    """Return the range of the audience's events of `kinds` between two positions, both left out."""
    here = place(audience, shards)
    if kinds:
        ends = {"$gt": Int64(above)} | ({} if below is None else {"$lt": Int64(below)})
        query = here | {"kind": {"$in": list(kinds)}, "position": ends}
        return Range(query, "position", BY_KIND)
    # "/" comes before every digit, and "~" after.
    least = event_id(audience, above) if above >= 0 else f"{audience}/"
    most = f"{audience}/~" if below is None or below > LAST else event_id(audience, below)
    return Range(here | {"_id": {"$gt": least, "$lt": most}}, "_id", BY_ID)
