"""Events as documents of MongoDB.

The document of an event has all that the log has, so that it can be read back unchanged. Its field
`escaped` names those of `data` and `headers` that are escaped, and `message` the message that it is
about, if any, also if `data` is stored as text.
"""

from collections.abc import Mapping
from typing import Any

from bson import Int64

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_history.store.bson_data import from_bson, to_bson
from madang_history.store.bson_times import put_time, time_text
from madang_history.store.messages import named_message
from madang_history.store.port import StoredEvent

_NO_HEADERS: Mapping[str, str] = {}


def event_id(audience: str, position: int) -> str:
    """Return the `_id` of an event; ids of one audience sort by position."""
    return f"{audience}/{to_id(position)}"


def event_document(stored: StoredEvent) -> dict[str, Any]:
    """Return the document of an event."""
    position, event = stored
    key, kind, sender, sender_name, at, data, room, user, headers = event
    audience = event.audience
    document: dict[str, Any] = {
        "_id": event_id(audience, position),
        "audience": audience,
        "user" if room is None else "room": user if room is None else room,
        "position": Int64(position),
    }
    put_time(document, "at", at)
    document |= {"kind": kind, "sender": sender, "sender_name": sender_name, "key": key}
    message = named_message(stored)
    if message is not None:
        document["message"] = message
    content = {"data": data, "headers": headers} if headers else {"data": data}
    escaped = []
    for name, value in content.items():
        document[name], is_escaped = to_bson(value)
        if is_escaped:
            escaped.append(name)
    if escaped:
        document["escaped"] = escaped
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
        time_text(document, "at") or "",
        data,
        document.get("room"),
        document.get("user"),
        headers,
    )
    return StoredEvent(document["position"], event)
