"""The fold: what each event does to a message.

```
 message.created ──▶ Message ──┬─ message.edited      by the author; the last one wins
                               ├─ message.deleted     final; the content is cleared
                               ├─ reaction.added      reaction.removed
                               ├─ message.pinned      message.unpinned
                               └─ message.created     a reply, counted by the root of its thread
```

Every event that targets a message becomes its version, also if it has no other effect. An event up
to the version changes nothing, so events may be repeated, from any earlier one on.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from madang_fold import fields
from madang_fold.event import (
    MESSAGE_CREATED,
    MESSAGE_DELETED,
    MESSAGE_EDITED,
    MESSAGE_PINNED,
    MESSAGE_UNPINNED,
    REACTION_ADDED,
    REACTION_REMOVED,
    RoomEvent,
)
from madang_fold.message import DEFAULT_TYPE, EMPTY, MAX_PARTICIPANTS, Message, ThreadSummary

MAX_EMOJI: Final = 20
"""Most different emoji of a message."""
MAX_REACTIONS: Final = 5000
"""Most reactions of a message, over all emoji."""


def fold(message: Message | None, event: RoomEvent) -> Message | None:
    """Return the message after `event`; the same object if the event does not target it.

    None stands for the message that the event itself creates, and for nothing else: call this only
    with a message that exists, or if the target is the event's own id, as `changes` does.
    """
    if message is None:
        return _created(event)
    if event.id <= message.version or message.id not in targets(event):
        return message
    return _STEPS[event.kind](message, event)


def targets(event: RoomEvent) -> tuple[str, ...]:
    """Return the ids of the messages that `event` targets; it changes no other.

    Empty for other kinds of events, and if `data` is malformed.
    """
    data = _data(event)
    if data is None:
        return ()
    if event.kind == MESSAGE_CREATED:
        if not fields.is_creation(data):
            return ()
        root = fields.earlier(data.get("thread"), event.id)
        return (event.id,) if root is None else (event.id, root)
    is_valid = _VALID.get(event.kind)
    if is_valid is None or not is_valid(data):
        return ()
    message = fields.earlier(data.get("message"), event.id)
    return () if message is None else (message,)


def changes(messages: Mapping[str, Message], event: RoomEvent) -> tuple[Message, ...]:
    """Return the new states of those of `messages`, by id, that `event` changes or creates."""
    changed = []
    for target in targets(event):
        before = messages.get(target)
        if before is None and target != event.id:
            continue  # a message that is not known here
        after = fold(before, event)
        if after is not None and after is not before:
            changed.append(after)
    return tuple(changed)


def _created(event: RoomEvent) -> Message | None:
    data = _data(event)
    if event.kind != MESSAGE_CREATED or data is None or not fields.is_creation(data):
        return None
    event_id, _, sender, sender_name, at, _ = event
    if len(data) == 1:  # most messages; twice as fast
        return Message(event_id, event_id, sender, sender_name, at, DEFAULT_TYPE, data["text"])
    return Message(
        event_id,
        event_id,
        sender,
        sender_name,
        at,
        data.get("type") or DEFAULT_TYPE,
        None if fields.is_redacted(data) else data["text"],
        data.get("meta") or EMPTY,
        fields.earlier(data.get("reply_to"), event_id),
        fields.earlier(data.get("thread"), event_id),
        tuple(data.get("attachments") or ()),
        tuple(data.get("mentions") or ()),
    )


def _replied(root: Message, event: RoomEvent) -> Message:
    summary = root.thread_summary
    replies, participants = (0, ()) if summary is None else (summary.replies, summary.participants)
    if event.sender not in participants and len(participants) < MAX_PARTICIPANTS:
        participants = (*participants, event.sender)
    return root._replace(
        version=event.id,
        thread_summary=ThreadSummary(replies + 1, event.id, event.at, participants),
    )


def _edited(message: Message, event: RoomEvent) -> Message:
    text, meta, attachments, mentions = map(
        event.data.get, ("text", "meta", "attachments", "mentions")
    )
    has_fields = any(field is not None for field in (text, meta, attachments, mentions))
    has_fields = has_fields or fields.is_redacted(event.data)
    if message.deleted or event.sender != message.sender or not has_fields:
        return _seen(message, event)
    return message._replace(
        version=event.id,
        edited_at=event.at,
        text=message.text if text is None else text,
        meta=message.meta if meta is None else meta or EMPTY,
        attachments=message.attachments if attachments is None else tuple(attachments),
        mentions=message.mentions if mentions is None else tuple(mentions),
    )


def _deleted(message: Message, event: RoomEvent) -> Message:
    if message.deleted:
        return _seen(message, event)
    return message._replace(
        version=event.id,
        text=None,
        meta=EMPTY,
        attachments=(),
        mentions=(),
        reactions=EMPTY,
        pinned_at=None,
        pinned_by=None,
        deleted_at=event.at,
        deleted_by=event.sender,
        reason=event.data.get("reason") or None,
    )


def _reaction_added(message: Message, event: RoomEvent) -> Message:
    emoji = event.data["emoji"]
    reactions = message.reactions
    users = reactions.get(emoji, ())
    if (
        message.deleted
        or event.sender in users
        or (not users and len(reactions) >= MAX_EMOJI)
        or sum(map(len, reactions.values())) >= MAX_REACTIONS
    ):
        return _seen(message, event)
    return message._replace(
        version=event.id,
        reactions=MappingProxyType({**reactions, emoji: (*users, event.sender)}),
    )


def _reaction_removed(message: Message, event: RoomEvent) -> Message:
    emoji = event.data["emoji"]
    users = message.reactions.get(emoji, ())
    if event.sender not in users:
        return _seen(message, event)
    reactions = dict(message.reactions)
    reactions[emoji] = tuple(user for user in users if user != event.sender)
    if not reactions[emoji]:
        del reactions[emoji]
    return message._replace(version=event.id, reactions=MappingProxyType(reactions))


def _pinned(message: Message, event: RoomEvent) -> Message:
    if message.deleted or message.pinned_at is not None:
        return _seen(message, event)
    return message._replace(version=event.id, pinned_at=event.at, pinned_by=event.sender)


def _unpinned(message: Message, event: RoomEvent) -> Message:
    return message._replace(version=event.id, pinned_at=None, pinned_by=None)


def _seen(message: Message, event: RoomEvent) -> Message:
    """Return the message after an event that targets it and has no effect."""
    return message._replace(version=event.id)


def _data(event: RoomEvent) -> Mapping[str, Any] | None:
    """Return the event's `data` if it is an object at all."""
    data: object = event.data
    return data if isinstance(data, Mapping) else None


_VALID: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    MESSAGE_EDITED: fields.is_edit,
    MESSAGE_DELETED: fields.is_deletion,
    REACTION_ADDED: fields.is_reaction,
    REACTION_REMOVED: fields.is_reaction,
    MESSAGE_PINNED: fields.is_pin,
    MESSAGE_UNPINNED: fields.is_pin,
}
"""The check of `data` for each kind that targets the message in its field `message`."""
_STEPS: Final[Mapping[str, Callable[[Message, RoomEvent], Message]]] = {
    MESSAGE_CREATED: _replied,
    MESSAGE_EDITED: _edited,
    MESSAGE_DELETED: _deleted,
    REACTION_ADDED: _reaction_added,
    REACTION_REMOVED: _reaction_removed,
    MESSAGE_PINNED: _pinned,
    MESSAGE_UNPINNED: _unpinned,
}
"""What each kind does to a message that it targets."""
