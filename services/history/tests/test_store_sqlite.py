import asyncio
import threading
from pathlib import Path

import pytest

from madang_history.store import message_queries
from madang_history.store.port import MessageKey, MessagesOf, StoredEvent, StoreUnavailable
from madang_history.store.sqlite import SqliteMessageStore

from .conftest import an_event

ROOM = "rooms.yard"


def entries(first: int, count: int, size: int = 10) -> list[StoredEvent]:
    return [
        StoredEvent(n, an_event(str(n), data={"text": "x" * size}))
        for n in range(first, first + count)
    ]


async def test_reading_does_not_wait_for_a_write(store: SqliteMessageStore) -> None:
    await store.store(0, entries(0, 3), 1)
    writing, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        writing.set()
        go_on.wait(20)

    write = asyncio.create_task(store._write(hold))
    await asyncio.to_thread(writing.wait, 20)

    async with asyncio.timeout(10):
        assert len(await store.after(ROOM, -1, 10)) == 3
        assert await store.progress(0) == 1
        await store.ping()

    assert not write.done()
    go_on.set()
    await write


async def test_writing_does_not_wait_for_a_read(store: SqliteMessageStore) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        reading.set()
        go_on.wait(20)

    read = asyncio.create_task(store._run(store._reads, hold))
    await asyncio.to_thread(reading.wait, 20)

    async with asyncio.timeout(10):
        assert await store.store(0, entries(0, 3), 1) == 3

    assert not read.done()
    go_on.set()
    await read


async def test_a_full_disk_raises_and_leaves_no_partial_write(store: SqliteMessageStore) -> None:
    await store.store(0, entries(0, 1), 1)
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StoreUnavailable) as refused:
        await store.store(0, entries(1, 100, size=1000), 2)
    assert "full" in str(refused.value.__cause__)
    assert await store.progress(0) == 1
    assert len(await store.after(ROOM, -1, 1000)) == 1

    store._writer.execute("PRAGMA max_page_count = 100000")
    assert await store.store(0, entries(1, 100, size=1000), 2) == 100
    assert await store.progress(0) == 2


async def test_a_cancelled_write_is_complete_or_not_started(
    tmp_path: Path,
) -> None:
    store = await SqliteMessageStore.open(tmp_path / "messages.db", 1)
    write = asyncio.create_task(store.store(0, entries(0, 1000), 1))
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.wait([write])

    await store.close()

    store = await SqliteMessageStore.open(tmp_path / "messages.db", 1)
    found = len(await store.after(ROOM, -1, 2000))
    assert (await store.progress(0), found) in {(0, 0), (1, 1000)}
    await store.close()


async def test_a_query_for_a_rare_kind_examines_no_other_events(store: SqliteMessageStore) -> None:
    await store.store(0, entries(0, 10), 1)
    plans: list[str] = []
    store._reader.set_trace_callback(plans.append)
    await store.before(ROOM, None, 10, ["room.updated", "room.archived"])
    store._reader.set_trace_callback(None)

    plan = await store._rows(f"EXPLAIN QUERY PLAN {plans[0]}", ())

    steps = [str(step[-1]) for step in plan]
    searches = [step for step in steps if step.startswith("SEARCH")]
    assert len(searches) == 2
    index = "events_by_kind_and_position (audience=? AND kind=? AND position>? AND position<?)"
    assert all(index in search for search in searches)
    assert not any("SCAN events" in step for step in steps)


async def test_a_count_uses_the_index_only(store: SqliteMessageStore) -> None:
    await store.store(0, entries(0, 10), 1)
    plans: list[str] = []
    store._reader.set_trace_callback(plans.append)
    await store.count_messages("yard", 3, upto=8, reader="ana", most=10)
    store._reader.set_trace_callback(None)

    plan = await store._rows(f"EXPLAIN QUERY PLAN {plans[0]}", ())

    (search,) = [str(step[-1]) for step in plan if str(step[-1]).startswith("SEARCH")]
    assert "USING COVERING INDEX events_by_kind_and_position" in search
    assert "position>? AND position<?" in search


@pytest.mark.parametrize(
    ("query", "values", "index"),
    [
        (*message_queries.range_of(MessagesOf("yard", thread="1"), 9), "messages_by_thread"),
        (*message_queries.range_of(MessagesOf("yard", pinned=True), 9), "messages_if_pinned"),
        (message_queries.COUNT_DELETED, ("yard", 1, 2, "ana"), "messages_if_deleted"),
        (
            *message_queries.edits_of(MessageKey("yard", "1"), 9, above=1, below=5),
            "events_by_message",
        ),
        (message_queries.REDACT_EDITS, ("{}", ROOM, "1", "message.edited"), "events_by_message"),
    ],
)
async def test_a_query_about_some_messages_uses_its_index(
    store: SqliteMessageStore, query: str, values: tuple[object, ...], index: str
) -> None:
    plan = await store._rows(f"EXPLAIN QUERY PLAN {query}", values)

    (search,) = [str(step[-1]) for step in plan]
    assert search.startswith("SEARCH")
    assert f"INDEX {index} (" in search


async def test_a_file_with_other_contents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "messages.db"
    await asyncio.to_thread(path.write_bytes, b"this is a letter to a friend" * 100)

    with pytest.raises(StoreUnavailable, match="not a database"):
        await SqliteMessageStore.open(path, 1)
