"""Properties of the fold over generated rooms."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from madang_fold import (
    KINDS,
    Message,
    RoomEvent,
    changes,
    fold,
    fold_events,
    from_json,
    targets,
    to_json,
)

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_MOST_EVENTS = 24
_SECRET = "secret"
"""Part of everything in these rooms that a delete has to clear."""

users = st.sampled_from(["minji", "junho", "sora", "hana", "yuna", "dohyun", "taeyang"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
texts = st.integers(0, 99).map(lambda number: f"{_SECRET} {number}")
content = {
    "meta": st.none() | st.dictionaries(texts, texts | junk, max_size=2),
    "attachments": st.none() | st.lists(st.dictionaries(texts, texts, max_size=1), max_size=2),
    "mentions": st.none() | st.lists(texts, max_size=2),
}


def event_id(number: int) -> str:
    """Return an id whose last digit is any of the 32."""
    return f"{number // 32:011d}{_DIGITS[number % 32]}"


ids = st.integers(1, _MOST_EVENTS).map(event_id)
references = st.none() | ids | junk
emoji = st.sampled_from(["👍", "🎉", "1", f"{_SECRET} emoji"])
well_formed: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "message.created": st.fixed_dictionaries(
        {"text": texts},
        optional={"type": st.just("card"), "reply_to": references, "thread": references, **content},
    ),
    "message.edited": st.fixed_dictionaries({"message": ids}, optional={"text": texts, **content}),
    "message.deleted": st.fixed_dictionaries(
        {"message": ids}, optional={"reason": st.just("spam")}
    ),
    "message.pinned": st.fixed_dictionaries({"message": ids}),
    "message.unpinned": st.fixed_dictionaries({"message": ids}),
    "reaction.added": st.fixed_dictionaries({"message": ids, "emoji": emoji}),
    "reaction.removed": st.fixed_dictionaries({"message": ids, "emoji": emoji}),
}
fields = st.sampled_from(
    ["message", "text", "type", "thread", "reply_to", "emoji", "reason", *content]
)
hostile = junk | st.dictionaries(fields, junk | ids, max_size=6)
"""Any JSON in the place of `data`."""
kinds = st.sampled_from(sorted(KINDS))
bodies = st.one_of(
    # Twice, so that a room has messages enough to talk about.
    st.tuples(st.just("message.created"), well_formed["message.created"]),
    kinds.flatmap(lambda kind: st.tuples(st.just(kind), well_formed[kind])),
    st.tuples(kinds | st.just("room.updated"), hostile),
)


def numbered(
    drawn: Sequence[tuple[tuple[str, Any], str]], *, after: Sequence[RoomEvent] = ()
) -> list[RoomEvent]:
    """Return events with ascending ids, higher than those of the events before them."""
    return [
        RoomEvent(event_id(number), kind, sender, sender.title(), f"at {number}", data)
        for number, ((kind, data), sender) in enumerate(drawn, start=len(after) + 1)
    ]


rooms = st.lists(st.tuples(bodies, users), max_size=_MOST_EVENTS).map(numbered)
limits = st.none() | st.integers(1, 6)
rewinds = st.lists(st.tuples(st.integers(1, 20), st.integers(0, _MOST_EVENTS)), max_size=10)
"""How many new events a reader gets each time, and how many earlier ones before those."""


def rewound(events: list[RoomEvent], rewinds: list[tuple[int, int]]) -> list[RoomEvent]:
    """Return all `events` as a reader gets them who starts again from earlier ones."""
    stream: list[RoomEvent] = []
    position = 0
    for fresh, back in [*rewinds, (len(events), 0)]:
        stream += events[max(0, position - back) : position + fresh]
        position += fresh
    return stream


def as_json(messages: dict[str, Message]) -> str:
    """Return `messages` as text: equal only if the order of everything is, too."""
    return json.dumps([to_json(message) for message in messages.values()])


@given(rooms, rewinds, limits)
def test_events_may_be_repeated_from_any_earlier_one_on(
    events: list[RoomEvent], rewinds: list[tuple[int, int]], limit: int | None
) -> None:
    repeated = fold_events(rewound(events, rewinds), limit=limit)

    assert as_json(repeated) == as_json(fold_events(events, limit=limit))


@given(rooms, rewinds)
def test_a_change_of_the_version_alone_need_not_be_stored(
    events: list[RoomEvent], rewinds: list[tuple[int, int]]
) -> None:
    stored: dict[str, Message] = {}

    for event in rewound(events, rewinds):
        for message in changes(stored, event):
            before = stored.get(message.id)
            if before is None or message != before._replace(version=message.version):
                stored[message.id] = message

    complete = fold_events(events)
    assert stored.keys() == complete.keys()
    for message in stored.values():
        assert message._replace(version=complete[message.id].version) == complete[message.id]


@given(rooms, st.integers(0, _MOST_EVENTS), limits)
def test_a_prefix_may_be_repeated_after_the_end(
    events: list[RoomEvent], end: int, limit: int | None
) -> None:
    messages = fold_events(events, limit=limit)

    again = fold_events(events[:end], messages.values(), limit=limit)

    assert as_json(again) == as_json(messages)


@given(rooms, st.integers(0, _MOST_EVENTS), limits)
def test_a_stored_state_continues(events: list[RoomEvent], end: int, limit: int | None) -> None:
    stored = json.loads(as_json(fold_events(events[:end], limit=limit)))

    continued = fold_events(events[end:], map(from_json, stored), limit=limit)

    assert continued == fold_events(events, limit=limit)
    assert as_json(continued) == as_json(fold_events(events, limit=limit))


@given(rooms, rooms)
def test_nothing_of_the_content_of_a_deleted_message_is_left(
    events: list[RoomEvent], more: list[RoomEvent]
) -> None:
    deletes: list[tuple[tuple[str, Any], str]] = [
        (("message.deleted", {"message": key}), "hana") for key in fold_events(events)
    ]
    afterwards = [((event.kind, event.data), event.sender) for event in more]

    messages = fold_events([*events, *numbered(deletes + afterwards, after=events)])

    for event in events:
        if event.id in messages:
            assert messages[event.id].deleted
            assert _SECRET not in repr(messages[event.id])


def redacted(event: RoomEvent, deleted: set[str]) -> RoomEvent:
    """Return `event` without its content if its message is one of `deleted`."""
    own = event.id if event.kind == "message.created" else "".join(targets(event))
    if own not in deleted or own not in targets(event):
        return event
    data: dict[str, Any]
    if event.kind == "message.created":
        data = {"text": ""}
        data |= {name: event.data.get(name) for name in ("type", "reply_to", "thread")}
    elif event.kind == "message.edited" and any(
        event.data.get(name) is not None for name in ("text", *content)
    ):
        data = {"message": own}
    else:
        return event
    return event._replace(data=data | {"redacted": True})


@given(rooms)
def test_redacted_events_give_the_same_messages(events: list[RoomEvent]) -> None:
    messages = fold_events(events)
    deleted = {key for key, message in messages.items() if message.deleted}

    again = fold_events(redacted(event, deleted) for event in events)

    assert as_json(again) == as_json(messages)


@given(rooms, bodies, users)
def test_an_event_changes_its_targets_and_no_other_message(
    events: list[RoomEvent], body: tuple[str, Any], sender: str
) -> None:
    messages = fold_events(events)
    [event] = numbered([(body, sender)], after=events)
    targeted = targets(event)

    changed = set()
    for message in messages.values():
        after = fold(message, event)
        if after is not message:
            assert after is not None
            assert (after.id, after.version) == (message.id, event.id)
            changed.add(message.id)

    assert changed == messages.keys() & targeted
    assert (fold(None, event) is not None) == (event.id in targeted)


@given(rooms, bodies, users)
def test_changes_are_the_folds_of_the_known_targets(
    events: list[RoomEvent], body: tuple[str, Any], sender: str
) -> None:
    messages = fold_events(events)
    [event] = numbered([(body, sender)], after=events)

    changed = changes(messages, event)

    known = [key for key in targets(event) if key in messages or key == event.id]
    assert [message.id for message in changed] == known
    assert list(changed) == [fold(messages.get(key), event) for key in known]


@given(rooms)
def test_the_states_before_do_not_change(events: list[RoomEvent]) -> None:
    messages: dict[str, Message] = {}
    seen: list[tuple[Message, str]] = []

    for event in events:
        for message in changes(messages, event):
            messages[message.id] = message
            seen.append((message, repr(message)))

    assert [repr(message) for message, _ in seen] == [text for _, text in seen]


@given(rooms, st.integers(1, 6))
def test_a_limit_keeps_the_newest_messages_and_changes_none(
    events: list[RoomEvent], limit: int
) -> None:
    newest = list(fold_events(events).values())[-limit:]

    assert list(fold_events(events, limit=limit).values()) == newest


@given(rooms, st.lists(st.tuples(kinds, hostile, users)))
def test_no_data_makes_the_fold_fail(
    events: list[RoomEvent], more: list[tuple[str, Any, str]]
) -> None:
    messages = fold_events(events)
    hostile_events = numbered(
        [(("room.updated", {}), "x")] * 41 + [((k, d), u) for k, d, u in more]
    )

    after = fold_events(hostile_events, messages.values())

    assert after.keys() >= messages.keys()
