"""What is left of the events of a deleted message: their structure, without content or headers.

The fold of redacted events leads to the same state, because a deletion is final. No I/O.
"""

from typing import Any

from madang_common.events.envelope import Event
from madang_common.events.message_kinds import MessageCreated, MessageEdited
from madang_fold import Message, fold
from madang_history.store.messages import named_message, room_event
from madang_history.store.port import StoredEvent

_DEFAULT_TYPE = "text"


def redacted_creation(message: Message) -> dict[str, Any]:
    """Return the data of the redacted `message.created` of `message`."""
    data: dict[str, Any] = {"text": "", "redacted": True}
    if message.type != _DEFAULT_TYPE:
        data["type"] = message.type
    if message.reply_to is not None:
        data["reply_to"] = message.reply_to
    if message.thread is not None:
        data["thread"] = message.thread
    return data


def redacted_edit(message_id: str) -> dict[str, Any]:
    """Return the data of a redacted `message.edited` of the message with that id."""
    return {"message": message_id, "redacted": True}


def redacted(stored: StoredEvent) -> Event | None:
    """Return the event as it is stored once its message is deleted; None if that changes nothing.

    The event is the log's, which has its content.
    """
    event = stored.event
    data = None
    if event.kind == MessageCreated.kind:
        message = fold(None, room_event(stored))
        data = redacted_creation(message) if message is not None else None
    elif event.kind == MessageEdited.kind:
        name = named_message(stored)
        data = redacted_edit(name) if name is not None else None
    return None if data is None else event._replace(data=data, headers={})
