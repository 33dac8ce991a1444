"""Events and messages as documents of MongoDB.

The document of an event has all that the log has, so that it can be read back unchanged. Its field
`escaped` names those of `data` and `headers` that are escaped; `at_text` is the sender's `at` where
the date `at` does not say the same. The document of a message is its current state, for people and
queries.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bson import Int64

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_history.store.bson_data import JSON_TEXT, from_bson, to_bson
from madang_history.store.port import StoredEvent

_NO_HEADERS: Mapping[str, str] = {}
_RESERVED = frozenset(
    ("_id", "room", "position", "at", "at_text", "sender", "sender_name", "text", "escaped")
)
"""Fields of a message that its event's `data` does not set."""


def event_id(audience: str, position: int) -> str:
    """Return the `_id` of an event; ids of one audience sort by position."""
    return f"{audience}/{to_id(position)}"


def event_document(stored: StoredEvent) -> dict[str, Any]:
    """Return the document of an event."""
    position, event = stored
    key, kind, sender, sender_name, at, data, room, user, headers = event
    audience = event.audience
    time, is_exact = _time(at)
    document: dict[str, Any] = {
        "_id": event_id(audience, position),
        "audience": audience,
        "user" if room is None else "room": user if room is None else room,
        "position": Int64(position),
        "at": time,
        "kind": kind,
        "sender": sender,
        "sender_name": sender_name,
        "key": key,
    }
    content = {"data": data, "headers": headers} if headers else {"data": data}
    escaped = []
    for name, value in content.items():
        document[name], is_escaped = to_bson(value)
        if is_escaped:
            escaped.append(name)
    if escaped:
        document["escaped"] = escaped
    if not is_exact:
        document["at_text"] = at
    return document


def stored_event(document: Mapping[str, Any]) -> StoredEvent:
    """Return the event of a document."""
    data, headers = document["data"], document.get("headers", _NO_HEADERS)
    if escaped := document.get("escaped"):
        data = from_bson(data) if "data" in escaped else data
        headers = from_bson(headers) if "headers" in escaped else headers
    event = Event(
        document["key"],
        document["kind"],
        document["sender"],
        document["sender_name"],
        document["at_text"] if "at_text" in document else _text(document["at"]),
        data,
        document.get("room"),
        document.get("user"),
        headers,
    )
    return StoredEvent(document["position"], event)


def message_document(stored: StoredEvent, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first state of the message that an event with this `document` creates.

    The fields of the event's `data` are its own, except those with the name of another field.
    """
    event = stored.event
    message: dict[str, Any] = {
        "_id": document["_id"].removeprefix("rooms."),
        "room": event.room,
        "position": document["position"],
        "at": document["at"],
        "sender": event.sender,
        "sender_name": event.sender_name,
        "text": event.data["text"],
    }
    if "at_text" in document:
        message["at_text"] = event.at
    if "data" in document.get("escaped", ()):
        message["escaped"] = True
    data = document["data"]
    # A text beside a whole JSON text of the same data could be too large.
    if len(data) > 1 and JSON_TEXT not in data:
        message |= {name: value for name, value in data.items() if name not in _RESERVED}
    return message


@lru_cache(maxsize=1024)
def _time(at: str) -> tuple[datetime | None, bool]:
    """Return the time of `at`, None if it is none, and whether the time says all that `at` does.

    Cached because many events have the same time under load.
    """
    try:
        time = datetime.fromisoformat(at.removesuffix("Z"))
        if time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None, False
    return time, _text(time) == at


def _text(time: datetime) -> str:
    """Return a time in UTC as the product writes it: RFC 3339, with milliseconds."""
    return f"{time.isoformat(timespec='milliseconds')}Z"
