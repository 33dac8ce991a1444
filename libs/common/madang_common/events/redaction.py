"""Redaction: what is left of the events of a deleted message.

The structure stays (type, reply, thread, the edited message), the content goes. Folding redacted
events gives the same deleted message.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from madang_common.events.envelope import Event
from madang_common.events.message_kinds import MessageCreated, MessageEdited

REDACTED = "redacted"
"""The field of `data` that is true in a redacted event."""
_STRUCTURE: Mapping[str, tuple[str, ...]] = {
    MessageCreated.kind: ("type", "reply_to", "thread"),
    MessageEdited.kind: ("message",),
}
"""The fields that stay, of each kind that has content."""
_CONTENT = ("text", "meta", "attachments", "mentions")


def redacted(event: Event) -> Event:
    """Return `event` without its content; the same object if its kind has none."""
    structure = _STRUCTURE.get(event.kind)
    if structure is None:
        return event
    data: dict[str, Any] = {name: event.data[name] for name in structure if name in event.data}
    if event.kind == MessageCreated.kind:
        data = {"text": ""} | data
    if is_redacted(event) or any(event.data.get(name) is not None for name in _CONTENT):
        # An edit without content had no effect, and gets none.
        data[REDACTED] = True
    return event._replace(data=data, headers=MappingProxyType({}))


def is_redacted(event: Event) -> bool:
    """Return whether the content of `event` is gone."""
    return event.data.get(REDACTED) is True
