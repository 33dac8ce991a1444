"""Messages as documents of MongoDB: their present state, for history, people and queries.

A field that is not set is not in the document. `escaped` is true if `meta`, `attachments` or the
whole of them, in `%json`, are escaped. The release before stored only what `message.created` had,
with all fields of its `data`, and without `version`; such a document is read as that event.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from bson import Int64

from madang_common.events.message_kinds import MessageCreated
from madang_common.log.position import from_id, to_id
from madang_fold import Message, RoomEvent, ThreadSummary, fold
from madang_history.store.bson_data import JSON_TEXT, from_bson, to_bson
from madang_history.store.bson_times import put_time, time_text
from madang_history.store.port import MessageKey, StoredMessage

_TEXTS: Final = ("reply_to", "thread", "deleted_by", "reason", "pinned_by")
_TIMES: Final = ("edited_at", "deleted_at", "pinned_at")
_FREE: Final = ("meta", "attachments", JSON_TEXT)
"""Fields that contain the application's JSON."""
_DATA: Final = ("text", "type", "reply_to", "thread", "mentions", "meta", "attachments")
"""Fields of the data of `message.created`."""
_FIRST_OF_REST: Final = Message._fields.index("meta")
_NO_REST: Final = Message("", "", "", "", "")[_FIRST_OF_REST:]
"""The fields that most messages do not have."""
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def message_id(key: MessageKey) -> str:
    """Return the `_id` of a message."""
    return f"{key.room}/{key.id}"


def key_of(document: Mapping[str, Any]) -> MessageKey:
    """Return where the message of a document is."""
    return MessageKey(document["room"], to_id(document["position"]))


def message_document(room: str, message: Message) -> dict[str, Any]:
    """Return the document of a message of `room`."""
    document: dict[str, Any] = {
        "_id": f"{room}/{message.id}",
        "room": room,
        "position": Int64(from_id(message.id)),
        "version": message.version,
    }
    put_time(document, "at", message.at)
    document["sender"] = message.sender
    document["sender_name"] = message.sender_name
    document["type"] = message.type
    if message.text is not None:
        document["text"] = message.text
    if message[_FIRST_OF_REST:] != _NO_REST:
        _put_rest(document, message)
    return document


def _put_rest(document: dict[str, Any], message: Message) -> None:
    """Set the fields that most messages do not have."""
    for name in _TEXTS:
        value = getattr(message, name)
        if value is not None:
            document[name] = value
    for name in _TIMES:
        time = getattr(message, name)
        if time is not None:
            put_time(document, name, time)
    if message.meta or message.attachments:
        _put_free(document, message)
    if message.mentions:
        document["mentions"] = list(message.mentions)
    if message.reactions:
        document["reactions"] = [
            {"emoji": emoji, "users": list(users)} for emoji, users in message.reactions.items()
        ]
    if (summary := message.thread_summary) is not None:
        thread: dict[str, Any] = {"replies": summary.replies, "last_reply": summary.last_reply}
        put_time(thread, "last_reply_at", summary.last_reply_at)
        document["thread_summary"] = thread | {"participants": list(summary.participants)}


def _put_free(document: dict[str, Any], message: Message) -> None:
    free: dict[str, Any] = {}
    if message.meta:
        free["meta"] = dict(message.meta)
    if message.attachments:
        free["attachments"] = [dict(attachment) for attachment in message.attachments]
    stored, is_escaped = to_bson(free)
    document.update(stored)
    if is_escaped:
        document["escaped"] = True


def stored_message(document: Mapping[str, Any]) -> StoredMessage:
    """Return the message of a document."""
    version = document.get("version")
    if version is None:
        return StoredMessage(document["position"], _first_state(document))
    free = _free(document)
    message = Message(
        id=to_id(document["position"]),
        version=version,
        sender=document["sender"],
        sender_name=document["sender_name"],
        at=time_text(document, "at") or "",
        type=document["type"],
        text=document.get("text"),
        meta=free.get("meta", _NOTHING),
        attachments=tuple(free.get("attachments", ())),
        mentions=tuple(document.get("mentions", ())),
        reactions=MappingProxyType(
            {one["emoji"]: tuple(one["users"]) for one in document.get("reactions", ())}
        ),
        thread_summary=_summary(document.get("thread_summary")),
        **{name: document.get(name) for name in _TEXTS},
        **{name: time_text(document, name) for name in _TIMES},
    )
    return StoredMessage(document["position"], message)


def _free(document: Mapping[str, Any]) -> Mapping[str, Any]:
    free = {name: document[name] for name in _FREE if name in document}
    return from_bson(free) if document.get("escaped") else free


def _summary(document: Mapping[str, Any] | None) -> ThreadSummary | None:
    if document is None:
        return None
    return ThreadSummary(
        document["replies"],
        document["last_reply"],
        time_text(document, "last_reply_at") or "",
        tuple(document["participants"]),
    )


def _first_state(document: Mapping[str, Any]) -> Message:
    """Return the message of a document of the release before: the fold of its creation."""
    data = {name: document[name] for name in _DATA if name in document}
    if document.get("escaped"):
        data = from_bson(data)
    created = RoomEvent(
        to_id(document["position"]),
        MessageCreated.kind,
        document["sender"],
        document["sender_name"],
        time_text(document, "at") or "",
        data,
    )
    # That release stored also what is no message by the fold's rules, such as one without text.
    return fold(None, created) or Message(
        *created[:1], *created[:1], *created[2:5], text=data["text"]
    )
