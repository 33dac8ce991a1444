"""The states of messages, folded from the events of a batch, for every adapter of the store.

A store keeps two things: what happened, the events, and what it led to, the messages. Both are
written in the same idempotent step. No I/O.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from madang_common.events.message_kinds import MessageCreated, MessageDeleted, MessageEdited
from madang_common.log.position import to_id
from madang_fold import KINDS, Message, RoomEvent, fold, targets
from madang_history.store.port import MessageKey, StoredEvent

_WITH_CONTENT: Final = frozenset((MessageCreated.kind, MessageEdited.kind))
"""Kinds whose events contain what a deletion removes."""
_REDACTS: Final = _WITH_CONTENT | {MessageDeleted.kind}


def concerns_messages(stored: StoredEvent) -> bool:
    """Return whether the event may create or change messages."""
    return stored.event.kind in KINDS and stored.event.room is not None


def room_event(stored: StoredEvent) -> RoomEvent:
    """Return the event as the fold takes it."""
    position, event = stored
    return RoomEvent(
        to_id(position), event.kind, event.sender, event.sender_name, event.at, event.data
    )


def named_message(stored: StoredEvent) -> str | None:
    """Return the id of the earlier message that the event is about; None if it is about none."""
    event = stored.event
    if event.kind == MessageCreated.kind or not concerns_messages(stored):
        return None
    return next(iter(targets(room_event(stored))), None)


def referenced(entries: Iterable[StoredEvent]) -> set[MessageKey]:
    """Return the earlier messages that `entries` may change."""
    keys: set[MessageKey] = set()
    for stored in entries:
        event = stored.event
        if event.room is None or event.kind not in KINDS:
            continue
        if event.kind == MessageCreated.kind and "thread" not in event.data:
            continue  # most messages
        folded = room_event(stored)
        keys.update(MessageKey(event.room, id_) for id_ in targets(folded) if id_ != folded.id)
    return keys


def fold_batch(
    entries: Iterable[StoredEvent], states: Mapping[MessageKey, Message]
) -> dict[MessageKey, Message]:
    """Return the new states of the messages that `entries` create or change.

    `states` are the stored states of those that exist. A message that is created and is not among
    them is new, as far as the caller knows.
    """
    changed: dict[MessageKey, Message] = {}
    for stored in entries:
        event = stored.event
        room = event.room
        if room is None or event.kind not in KINDS:
            continue
        folded = room_event(stored)
        if len(event.data) == 1 and event.kind == MessageCreated.kind:
            targeted: tuple[str, ...] = (folded.id,)  # most messages: the fold checks them
        else:
            targeted = targets(folded)
        for target in targeted:
            key = MessageKey(room, target)
            before = changed.get(key) or states.get(key)
            if before is None and target != folded.id:
                continue  # no such message in this room
            after = fold(before, folded)
            if after is not None and after is not before:
                changed[key] = after
    return changed


def deleted_messages(
    entries: Iterable[StoredEvent], states: Mapping[MessageKey, Message]
) -> dict[MessageKey, Message]:
    """Return those of `states` that are deleted and whose content may be in an event.

    That is so if one of `entries` deletes them, or creates or edits them: a repeated one, or one
    that arrived after the deletion.
    """
    deleted: dict[MessageKey, Message] = {}
    if not any(message.deleted_at is not None for message in states.values()):
        return deleted
    for stored in entries:
        event = stored.event
        if event.room is None or event.kind not in _REDACTS:
            continue
        own = to_id(stored.position) if event.kind == MessageCreated.kind else named_message(stored)
        if own is not None:
            key = MessageKey(event.room, own)
            message = states.get(key)
            if message is not None and message.deleted:
                deleted[key] = message
    return deleted
