"""Events of rooms about messages, for tests: a log of any of them, and what it folds to."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_fold import Message, RoomEvent, fold_events
from madang_history.store.port import MessageKey, StoredEvent

ROOMS = ("yard", "garden")
USERS = ("ana", "bo", "cy")
_EMOJI = ("👍", "❤️", "🎉")
_BACK = 12
"""An event is about one of so many events before it."""


@st.composite
def log_of_rooms(draw: st.DrawFn, *, most: int = 40) -> list[StoredEvent]:
    """Draw a log of one shard: events about messages of two rooms; some keys are used again."""
    log: list[StoredEvent] = []
    for number in range(draw(st.integers(1, most))):
        position = number * 4096 + number % 7
        event = draw(_event(number, [stored.position for stored in log[-_BACK:]]))
        log.append(StoredEvent(position, event))
    return log


@st.composite
def _event(draw: st.DrawFn, number: int, before: Sequence[int]) -> Event:
    kind = draw(
        st.sampled_from(
            [
                *["message.created"] * 4,
                *["message.edited"] * 3,
                "message.deleted",
                "message.deleted",
                "reaction.added",
                "reaction.added",
                "reaction.removed",
                "message.pinned",
                "message.unpinned",
                "member.joined",
            ]
        )
    )
    about = to_id(draw(st.sampled_from(before))) if before else "000000000000"
    repeated = draw(st.integers(0, 9)) == 0 and number > 0
    key = f"key-{draw(st.integers(0, number - 1)) if repeated else number}"
    return Event(
        key=key,
        kind=kind,
        sender=draw(st.sampled_from(USERS)),
        sender_name="안나",
        at=f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000Z",
        data=draw(_data(kind, about, number)),
        room=draw(st.sampled_from([ROOMS[0], ROOMS[0], ROOMS[0], ROOMS[1]])),
        headers={"extra": _mark(number)} if _has_content(kind) and draw(st.booleans()) else {},
    )


@st.composite
def _data(draw: st.DrawFn, kind: str, about: str, number: int) -> dict[str, Any]:
    content: dict[str, Any] = {"text": _mark(number)}
    if draw(st.booleans()):
        content |= {"meta": {"$set.it": [_mark(number), 2**63]}, "mentions": ["bo"]}
    match kind:
        case "message.created":
            if draw(st.integers(0, 2)) == 0:
                content |= {"thread": about, "reply_to": about, "type": "note"}
            return content
        case "message.edited":
            return {"message": about} | content
        case "message.deleted":
            return {"message": about, "reason": "spam"}
        case "reaction.added" | "reaction.removed":
            return {"message": about, "emoji": draw(st.sampled_from(_EMOJI))}
        case "member.joined":
            return {"user": "bo", "name": "Bo", "role": "member", "by": "bo"}
    return {"message": about}


def _has_content(kind: str) -> bool:
    return kind in {"message.created", "message.edited"}


def _mark(number: int) -> str:
    return f"content of {number}."


def mark_of(stored: StoredEvent) -> str | None:
    """Return the text that only the content of this event has; None if it has no content."""
    return stored.event.data["text"] if _has_content(stored.event.kind) else None


def in_new_rooms(log: Iterable[StoredEvent], number: int) -> list[StoredEvent]:
    """Return `log` in other rooms, which have `number` in their names."""
    return [
        StoredEvent(position, event._replace(room=f"{event.room}-{number}"))
        for position, event in log
    ]


def first_with_each_key(log: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return the events of `log` that count: the first of each room, sender and key."""
    first: dict[tuple[str, str, str], StoredEvent] = {}
    for stored in log:
        event = stored.event
        first.setdefault((event.audience, event.sender, event.key), stored)
    return list(first.values())


def folded(log: Iterable[StoredEvent]) -> dict[MessageKey, Message]:
    """Return the messages that the events of `log` which count fold to, room by room."""
    counted = first_with_each_key(log)
    messages: dict[MessageKey, Message] = {}
    for room in {stored.event.room or "" for stored in counted}:
        events = [
            RoomEvent(
                to_id(position), event.kind, event.sender, event.sender_name, event.at, event.data
            )
            for position, event in counted
            if event.room == room
        ]
        found = fold_events(events)
        messages |= {MessageKey(room, name): message for name, message in found.items()}
    return messages
