"""Messages as JSON: plain types, and no field that is not set.

```
 id, version, sender, sender_name, at, type     always
 text                                           unless it is deleted, or will be by a later event
 meta, attachments, mentions                    unless they are empty
 reply_to, thread                               ids of earlier messages
 edited_at, pinned_at, pinned_by
 deleted_at, deleted_by, reason
 reactions                                      [{emoji, users: [id, …]}, …], in order of arrival
 thread_summary                                 {replies, last_reply, last_reply_at, participants}
```

Reactions are a list, because objects do not keep the order of their keys everywhere.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from madang_fold.message import EMPTY, Message, ThreadSummary

_ALWAYS = ("id", "version", "sender", "sender_name", "at", "type")
_TEXTS = (
    "text",
    "reply_to",
    "thread",
    "edited_at",
    "deleted_at",
    "deleted_by",
    "reason",
    "pinned_at",
    "pinned_by",
)


def to_json(message: Message) -> dict[str, Any]:
    """Return `message` as a JSON object; nested values of `meta` and `attachments` are shared."""
    document: dict[str, Any] = {name: getattr(message, name) for name in _ALWAYS}
    for name in _TEXTS:
        value = getattr(message, name)
        if value is not None:
            document[name] = value
    if message.meta:
        document["meta"] = dict(message.meta)
    if message.attachments:
        document["attachments"] = [dict(attachment) for attachment in message.attachments]
    if message.mentions:
        document["mentions"] = list(message.mentions)
    if message.reactions:
        document["reactions"] = [
            {"emoji": emoji, "users": list(users)} for emoji, users in message.reactions.items()
        ]
    if (summary := message.thread_summary) is not None:
        document["thread_summary"] = {
            "replies": summary.replies,
            "last_reply": summary.last_reply,
            "last_reply_at": summary.last_reply_at,
            "participants": list(summary.participants),
        }
    return document


def from_json(document: Mapping[str, Any]) -> Message:
    """Return the message that `to_json` made `document` of; raise ValueError if it is none.

    A field that is null counts as absent. Other fields are ignored.
    """
    fields = {name: value for name, value in document.items() if value is not None}
    try:
        return Message(
            **{name: _text(fields[name]) for name in _ALWAYS},
            **{name: _text(fields[name]) for name in _TEXTS if name in fields},
            meta=_mapping(fields.get("meta", EMPTY)) or EMPTY,
            attachments=tuple(map(_mapping, _list(fields.get("attachments", [])))),
            mentions=_texts(fields.get("mentions", [])),
            reactions=_reactions(fields.get("reactions", [])),
            thread_summary=_summary(fields["thread_summary"])
            if "thread_summary" in fields
            else None,
        )
    except KeyError as error:
        raise ValueError(f"not a message: no {error}") from error


def _reactions(value: object) -> Mapping[str, tuple[str, ...]]:
    reactions = {
        _text(reaction["emoji"]): _texts(reaction["users"])
        for reaction in map(_mapping, _list(value))
    }
    return MappingProxyType(reactions) if reactions else EMPTY


def _summary(value: object) -> ThreadSummary:
    summary = _mapping(value)
    return ThreadSummary(
        _number(summary["replies"]),
        _text(summary["last_reply"]),
        _text(summary["last_reply_at"]),
        _texts(summary["participants"]),
    )


def _not(value: object, expected: str) -> ValueError:
    return ValueError(f"not a message: {type(value).__name__} instead of {expected}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _not(value, "a string")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise _not(value, "a number")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _not(value, "a list")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _not(value, "an object")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))
