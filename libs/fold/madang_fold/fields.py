"""Checks the `data` of events; the log may hold anything.

A field that is null counts as absent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

MAX_EMOJI_CHARACTERS: Final = 64
"""Longest emoji, in Unicode code points."""
_is_id = re.compile(r"[0-9a-v]{12}").fullmatch


def is_creation(data: Mapping[str, Any]) -> bool:
    """Return whether `data` is that of a `message.created`."""
    text = data.get("text")
    if not isinstance(text, str):
        return False
    if len(data) == 1:  # most messages
        return text != ""
    if not text and not is_redacted(data):
        return False
    type_ = data.get("type")
    return (type_ is None or _is_filled(type_)) and _has_valid_extras(data)


def is_edit(data: Mapping[str, Any]) -> bool:
    """Return whether `data` is that of a `message.edited`."""
    text = data.get("text")
    return (text is None or _is_filled(text)) and _has_valid_extras(data)


def is_redacted(data: Mapping[str, Any]) -> bool:
    """Return whether the content of an event was removed, because its message was deleted later."""
    return data.get("redacted") is True


def is_deletion(data: Mapping[str, Any]) -> bool:
    """Return whether `data` is that of a `message.deleted`."""
    return isinstance(data.get("reason"), str | None)


def is_reaction(data: Mapping[str, Any]) -> bool:
    """Return whether `data` is that of a `reaction.added` or `reaction.removed`."""
    emoji = data.get("emoji")
    return isinstance(emoji, str) and 0 < len(emoji) <= MAX_EMOJI_CHARACTERS


def is_pin(_data: Mapping[str, Any]) -> bool:
    """Return whether `data` is that of a `message.pinned` or `message.unpinned`."""
    return True


def earlier(reference: object, event_id: str) -> str | None:
    """Return `reference` if it is an id before `event_id`, else None."""
    if isinstance(reference, str) and reference < event_id and _is_id(reference):
        return reference
    return None


def _has_valid_extras(data: Mapping[str, Any]) -> bool:
    """Return whether the fields that a creation and an edit share are absent or valid."""
    meta = data.get("meta")
    attachments = data.get("attachments")
    mentions = data.get("mentions")
    return (
        (meta is None or isinstance(meta, Mapping))
        and (
            attachments is None
            or (isinstance(attachments, list) and all(isinstance(x, Mapping) for x in attachments))
        )
        and (mentions is None or (isinstance(mentions, list) and all(map(_is_filled, mentions))))
    )


def _is_filled(value: object) -> bool:
    return isinstance(value, str) and value != ""
