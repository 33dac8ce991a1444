"""The store's messages are the fold of the log, however it is stored."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang_common.events.envelope import Event
from madang_common.log.position import to_id
from madang_fold import Message, to_json
from madang_history.store.port import (
    LAST,
    MessageCount,
    MessageKey,
    MessagesOf,
    MessageStore,
    StoredEvent,
)
from madang_history.store.sqlite import SqliteMessageStore
from tests.support.message_stores import Stores
from tests.support.room_events import (
    first_with_each_key,
    folded,
    in_new_rooms,
    log_of_rooms,
    mark_of,
)

ROOM = "yard"


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[MessageStore]:
    store = await stores.open()
    yield store
    await store.close()


def entry(position: int, kind: str = "message.created", /, **changes: Any) -> StoredEvent:
    """Return an event of ana in the yard; `about` is the position of the message it is about."""
    data = changes.pop("data", {})
    if "about" in changes:
        data = {"message": to_id(changes.pop("about")), **data}
    elif kind == "message.created":
        data = {"text": f"this is {position}", **data}
    fields: dict[str, Any] = {
        "key": f"key-{position}",
        "kind": kind,
        "sender": "ana",
        "sender_name": "안나",
        "at": f"2026-01-01T00:00:{position % 60:02}.000Z",
        "data": data,
        "room": ROOM,
    }
    return StoredEvent(position, Event(**(fields | changes)))


def edited(position: int, about: int, text: str = "edited", **changes: Any) -> StoredEvent:
    return entry(position, "message.edited", about=about, data={"text": text}, **changes)


def deleted(position: int, about: int, **changes: Any) -> StoredEvent:
    return entry(position, "message.deleted", about=about, **changes)


async def state(store: MessageStore, position: int, room: str = ROOM) -> Message | None:
    key = MessageKey(room, to_id(position))
    return (await store.messages([key])).get(key)


async def positions(store: MessageStore, selected: MessagesOf) -> list[int]:
    return [stored.position for stored in await store.messages_after(selected, -1, 100)]


async def test_a_message_has_the_state_that_its_events_lead_to(store: MessageStore) -> None:
    meta = {"$a.b%": [1, 2**64 - 1, {"x": None}], "": 1.5}
    await store.store(
        0,
        [
            entry(1, data={"meta": {"a": 1}, "mentions": ["bo"], "type": "note"}),
            entry(2, data={"thread": to_id(1), "reply_to": to_id(1)}, sender="bo", at="yesterday"),
            entry(3, "reaction.added", about=1, data={"emoji": "👍"}, sender="bo"),
            entry(4, "message.pinned", about=1, sender="cy", at="2026-01-01T09:00:00+09:00"),
            entry(5, "message.edited", about=1, data={"text": "안녕 👋", "meta": meta}, at="now"),
        ],
        1,
    )

    found = await state(store, 1)

    assert found is not None
    assert to_json(found) == {
        "id": to_id(1),
        "version": to_id(5),
        "sender": "ana",
        "sender_name": "안나",
        "at": "2026-01-01T00:00:01.000Z",
        "type": "note",
        "text": "안녕 👋",
        "meta": meta,
        "mentions": ["bo"],
        "edited_at": "now",
        "pinned_at": "2026-01-01T09:00:00+09:00",
        "pinned_by": "cy",
        "reactions": [{"emoji": "👍", "users": ["bo"]}],
        "thread_summary": {
            "replies": 1,
            "last_reply": to_id(2),
            "last_reply_at": "yesterday",
            "participants": ["bo"],
        },
    }


async def test_later_batches_change_a_message(store: MessageStore) -> None:
    await store.store(0, [entry(1)], 1)
    await store.store(0, [edited(2, 1, "second"), edited(3, 1, "third")], 2)
    await store.store(0, [entry(4, "reaction.added", about=1, data={"emoji": "👍"})], 3)

    found = await state(store, 1)

    assert found is not None
    assert (found.text, found.version) == ("third", to_id(4))
    assert dict(found.reactions) == {"👍": ("ana",)}


async def test_an_event_that_is_refused_for_its_key_changes_no_message(
    store: MessageStore,
) -> None:
    await store.store(0, [entry(1), edited(2, 1, "first", key="k")], 1)
    await store.store(0, [edited(3, 1, "again", key="k"), entry(4, key="key-1")], 2)

    found = await state(store, 1)

    assert found is not None
    assert (found.text, found.version) == ("first", to_id(2))
    assert await state(store, 4) is None


async def test_an_event_changes_only_messages_of_its_own_room(store: MessageStore) -> None:
    await store.store(0, [entry(1), entry(2, room="garden")], 1)
    await store.store(0, [edited(3, 1, room="garden"), deleted(4, 2), edited(5, 3)], 2)

    one, other = await state(store, 1), await state(store, 2, "garden")

    assert one is not None
    assert one.text == "this is 1"
    assert other is not None
    assert other.text == "this is 2"
    assert await state(store, 3) is None


async def test_a_deletion_redacts_the_events_of_the_message(store: MessageStore) -> None:
    headers = {"extra": "secret"}
    data = {"text": "secret", "meta": {"a.b": "secret"}, "type": "note", "thread": to_id(0)}
    await store.store(
        0,
        [
            entry(0),
            entry(1, data=data, headers=headers),
            edited(2, 1, "secret", headers=headers),
            edited(3, 0, "kept"),
        ],
        1,
    )

    await store.store(0, [deleted(4, 1, data={"reason": "spam"}), edited(5, 1, "secret")], 2)

    found = await store.after(f"rooms.{ROOM}", -1, 10)
    message = await state(store, 1)
    assert "secret" not in repr((found, message))
    assert [stored.event.data for stored in found] == [
        {"text": "this is 0"},
        {"text": "", "redacted": True, "type": "note", "thread": to_id(0)},
        {"message": to_id(1), "redacted": True},
        {"message": to_id(0), "text": "kept"},
        {"message": to_id(1), "reason": "spam"},
        {"message": to_id(1), "redacted": True},
    ]
    assert not any(stored.event.headers for stored in found)
    assert message is not None
    assert (message.deleted_by, message.reason, message.version) == ("ana", "spam", to_id(5))


async def test_a_redacted_event_is_found_by_its_key_and_stays_when_it_is_repeated(
    store: MessageStore,
) -> None:
    batch = [entry(1), edited(2, 1), deleted(3, 1)]
    await store.store(0, batch, 1)

    assert await store.store(0, batch, 1) == 0

    for stored in batch[:2]:
        event = stored.event
        found = await store.by_key(event.audience, event.sender, event.key)
        assert found is not None
        assert (found.position, found.event.data["redacted"]) == (stored.position, True)


async def test_the_edits_of_a_message_are_listed(store: MessageStore) -> None:
    batch = [entry(1), entry(2), *(edited(n, 1 + n % 2, f"text {n}") for n in range(3, 11))]
    batch.append(entry(11, "reaction.added", about=1, data={"emoji": "👍"}))
    await store.store(0, batch, 1)
    key = MessageKey(ROOM, to_id(1))

    async def edits(after: int, limit: int, upto: int = LAST) -> list[int]:
        found = await store.edits(key, after, limit, upto=upto)
        return [stored.position for stored in found]

    assert await edits(-1, 10) == [4, 6, 8, 10]
    assert await edits(4, 2) == [6, 8]
    assert await edits(-1, 10, upto=8) == [4, 6, 8]
    assert await store.edits(MessageKey("garden", to_id(1)), -1, 10) == []


async def test_messages_are_listed_by_room_thread_and_pin(store: MessageStore) -> None:
    await store.store(
        0,
        [
            *(entry(n) for n in (1, 2, 3)),
            entry(4, room="garden"),
            entry(5, data={"thread": to_id(1)}),
            entry(6, data={"thread": to_id(2)}),
            entry(7, data={"thread": to_id(1)}),
            entry(8, "message.pinned", about=3),
            entry(9, "message.pinned", about=1),
            entry(10, "message.pinned", about=2),
            entry(11, "message.unpinned", about=1),
            deleted(12, 7),
        ],
        1,
    )
    room, thread = MessagesOf(ROOM), MessagesOf(ROOM, thread=to_id(1))
    pins = MessagesOf(ROOM, pinned=True)

    async def before(selected: MessagesOf, position: int | None, limit: int) -> list[int]:
        found = await store.messages_before(selected, position, limit)
        return [stored.position for stored in found]

    assert await positions(store, room) == [1, 2, 3, 5, 6, 7]
    assert await positions(store, thread) == [5, 7]
    assert await positions(store, pins) == [2, 3]
    assert await positions(store, MessagesOf("nowhere")) == []
    assert await before(room, None, 2) == [6, 7]
    assert await before(room, 6, 2) == [3, 5]
    assert await before(thread, 7, 2) == [5]
    assert await before(pins, None, 1) == [3]
    found = await store.messages_after(room, 2, 2, upto=3)
    assert [stored.position for stored in found] == [3]


async def test_deleted_messages_and_own_ones_are_not_counted(store: MessageStore) -> None:
    senders = ["ana", "bo", "ana", "cy", "ana"]
    await store.store(0, [entry(n, sender=sender) for n, sender in enumerate(senders)], 1)
    await store.store(0, [deleted(10, 0), deleted(11, 1), deleted(12, 2), deleted(13, 2)], 2)

    async def counted(after: int, reader: str, *, upto: int = LAST, most: int = 9) -> MessageCount:
        return await store.count_messages(ROOM, after, upto=upto, reader=reader, most=most)

    assert await counted(-1, "bo") == MessageCount(2, 5)
    assert await counted(-1, "ana") == MessageCount(1, 5)
    assert await counted(0, "dan") == MessageCount(2, 4)
    assert await counted(2, "dan") == MessageCount(2, 2)
    assert await counted(-1, "dan", upto=2) == MessageCount(0, 3)
    assert await counted(-1, "dan", most=2) == MessageCount(0, 2)


async def test_states_survive_a_restart(stores: Stores) -> None:
    first = await stores.open()
    await first.store(0, [entry(1), edited(2, 1, "second")], 1)
    before = await state(first, 1)
    await first.close()

    second = await stores.open()
    await second.store(0, [entry(1), edited(2, 1, "second"), edited(3, 1, "third")], 2)

    after = await state(second, 1)
    assert before is not None
    assert before.text == "second"
    assert after is not None
    assert after.text == "third"
    await second.close()


async def test_an_old_writer_that_goes_on_changes_nothing(stores: Stores) -> None:
    old, new = await stores.open(), await stores.open()
    log = [entry(1), edited(2, 1, "two"), edited(3, 1, "three"), deleted(4, 1), entry(5)]
    await old.store(0, log[:2], 2)
    await new.store(0, log[:3], 3)
    await new.store(0, log[3:], 5)
    expected = await state(new, 1)

    await old.store(0, log[2:3], 3)
    await old.store(0, log[1:4], 4)

    assert await state(old, 1) == expected
    assert await old.progress(0) == 5
    assert "three" not in repr(await old.after(f"rooms.{ROOM}", -1, 10))
    await old.close()
    await new.close()


_EXAMPLES = count()
"""Numbers the examples: each has rooms of its own in one store."""
_SETTINGS = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def parts_of_log(draw: st.DrawFn) -> tuple[list[StoredEvent], list[tuple[int, int]]]:
    """Draw a log, and the parts of it that are stored one after the other.

    Each continues where a process may: at the progress, or at some point before it.
    """
    log = in_new_rooms(draw(log_of_rooms()), next(_EXAMPLES))
    parts = []
    progress = 0
    while progress < len(log):
        begin = max(0, progress - draw(st.integers(0, 8)) * draw(st.integers(0, 1)))
        end = min(len(log), begin + draw(st.integers(1, 12)))
        parts.append((begin, end))
        progress = max(progress, end)
    return log, parts


@pytest.fixture
async def writers(stores: Stores) -> AsyncIterator[list[MessageStore]]:
    """Give one store, opened three times."""
    writers = [await stores.open() for _ in range(3)]
    yield writers
    for store in writers:
        await store.close()


async def check(stores: Stores, store: MessageStore, log: list[StoredEvent]) -> None:
    """Check that `store` has what `log` folds to, and nothing of deleted messages anywhere."""
    expected = folded(log)
    rooms = {stored.event.room or "" for stored in log}
    found: dict[MessageKey, Message] = {}
    for room in rooms:
        listed = await store.messages_after(MessagesOf(room), -1, 1000)
        found |= {MessageKey(room, stored.message.id): stored.message for stored in listed}
    assert found == expected
    assert await store.messages(expected.keys()) == expected
    everything = await stores.contents(rooms)
    for stored in first_with_each_key(log):
        mark = mark_of(stored)
        if mark is None:
            continue
        about = to_id(stored.position) if stored.event.kind == "message.created" else None
        about = about or stored.event.data["message"]
        message = expected.get(MessageKey(stored.event.room or "", about))
        if message is not None and message.deleted:
            assert mark not in everything
        else:
            assert mark in everything


@_SETTINGS
@given(drawn=parts_of_log(), chosen=st.data())
async def test_the_messages_are_the_fold_of_the_log_whoever_stores_it_again(
    stores: Stores,
    writers: list[MessageStore],
    drawn: tuple[list[StoredEvent], list[tuple[int, int]]],
    chosen: st.DataObject,
) -> None:
    log, parts = drawn

    for begin, end in parts:
        writer = writers[chosen.draw(st.integers(0, len(writers) - 1))]
        await writer.store(0, log[begin:end], end)

    await check(stores, writers[0], log)


@_SETTINGS
@given(log=log_of_rooms(), steps=st.lists(st.integers(1, 20), min_size=3, max_size=3))
async def test_writers_that_overlap_lead_to_the_fold_of_the_log(
    stores: Stores, writers: list[MessageStore], log: list[StoredEvent], steps: list[int]
) -> None:
    log = in_new_rooms(log, next(_EXAMPLES))

    async def write(store: MessageStore, step: int) -> None:
        for begin in range(0, len(log), step):
            await store.store(0, log[begin : begin + step], begin + step)

    await asyncio.gather(*(write(*one) for one in zip(writers, steps, strict=True)))

    await check(stores, writers[0], log)


@_SETTINGS
@given(
    log=log_of_rooms(),
    step=st.integers(1, 20),
    pauses=st.lists(st.integers(0, 8), min_size=1, max_size=40),
)
async def test_a_write_that_stops_anywhere_is_completed_by_the_next(
    stores: Stores,
    writers: list[MessageStore],
    log: list[StoredEvent],
    step: int,
    pauses: list[int],
) -> None:
    log = in_new_rooms(log, next(_EXAMPLES))
    stopped, other, _ = writers

    for number, begin in enumerate(range(0, len(log), step)):
        batch = log[begin : begin + step]
        write = asyncio.create_task(stopped.store(0, batch, begin + step))
        await asyncio.sleep(pauses[number % len(pauses)] / 1000)
        write.cancel()  # anywhere between its statements, or not at all
        await asyncio.wait([write])
        await other.store(0, batch, begin + step)

    await check(stores, other, log)


async def test_the_text_of_a_deleted_message_is_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "messages.db"
    store = await SqliteMessageStore.open(path, 1)
    long = "secret " * 2_000  # in pages of its own
    filling = [entry(n, data={"text": "x" * 500}) for n in range(10, 200)]
    await store.store(0, [entry(1, data={"text": long}), edited(2, 1, "secret"), *filling], 1)
    await store.store(0, [deleted(300, 1), edited(301, 1, "late secret")], 2)

    await store.close()

    def contents() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert b"secret" not in await asyncio.to_thread(contents)
