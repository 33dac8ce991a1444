"""What the version before stored is readable before, during and after its migration."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pymongo import ASCENDING
from structlog.testing import capture_logs

from madang_common.log.position import position, to_id
from madang_fold import fold
from madang_history.endpoint import MongoEndpoint
from madang_history.store import documents, migration, mongo_client, sqlite_migration
from madang_history.store.command import migrate
from madang_history.store.event_documents import event_id
from madang_history.store.messages import room_event
from madang_history.store.migration import Migration
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import Database
from madang_history.store.port import (
    LAST,
    Gap,
    MessageCount,
    MessageKey,
    MessagesOf,
    MessageStore,
    StoredEvent,
    StoreUnavailable,
)
from madang_history.store.sqlite import SqliteMessageStore

from .conftest import an_event
from .version_1 import stored as version_1

SHARDS = 2
SPOKEN = ("message.created",)
YARD = "rooms.yard"
PATIENCE_SECONDS = 60


@pytest.fixture
async def database(mongo_url: str, mongo_database: str) -> AsyncIterator[Database]:
    async with mongo_client.connected(
        MongoEndpoint.at(mongo_url), mongo_database, timeout_seconds=10, connections=4
    ) as database:
        yield database


async def check(store: MessageStore, expected: dict[str, list[StoredEvent]]) -> None:
    """Check that every query of `store` returns the `expected` events of each audience."""
    for audience, events in expected.items():
        assert await store.after(audience, -1, 1000) == events
        assert await store.before(audience, None, 5) == events[-5:]
        first, last = events[0], events[-1]
        assert await store.after(audience, first.position, 3) == events[1:4]
        assert await store.before(audience, last.position, 3) == events[:-1][-3:]
        assert await store.get(audience, last.position) == last
        assert await store.get(audience, last.position + 1) is None
        for stored in (first, last):
            event = stored.event
            assert await store.by_key(audience, event.sender, event.key) == stored
        spoken = [stored for stored in events if stored.event.kind in SPOKEN]
        assert await store.after(audience, -1, 1000, SPOKEN) == spoken
        assert await store.before(audience, None, 4, SPOKEN) == spoken[-4:]
        room = events[0].event.room
        if room is None:
            continue
        by_others = sum(stored.event.sender != "ana" for stored in spoken[:10])
        found = await store.count_messages(room, -1, upto=LAST, reader="ana", most=10)
        assert found == MessageCount(by_others, len(spoken[:10]))
        await check_messages(store, room, spoken)


async def check_messages(store: MessageStore, room: str, spoken: list[StoredEvent]) -> None:
    """Check that `store` has the messages that `spoken` created, in their first state."""
    messages = [message for created in spoken if (message := fold(None, room_event(created)))]
    found = await store.messages_after(MessagesOf(room), -1, 1000)
    assert [stored.message for stored in found] == messages
    newest = await store.messages_before(MessagesOf(room), None, 3)
    assert [stored.message for stored in newest] == messages[-3:]
    keys = [MessageKey(room, message.id) for message in messages[:2]]
    assert await store.messages(keys) == dict(zip(keys, messages, strict=False))


async def ingest(store: MessageStore, expected: dict[str, list[StoredEvent]], at: int) -> None:
    """Store a new event, repeats of old ones, and one with the key of an old one."""
    new = StoredEvent(position(at, 0), an_event(f"new-{at}"))
    old = expected[YARD][at % len(expected[YARD])]
    key_of_old = StoredEvent(position(at, 1), old.event)
    assert await store.store(0, [*expected[YARD][:30], key_of_old, new], at + 1) == 1
    expected[YARD].append(new)


async def shown_messages(database: Database) -> list[tuple[str, str]]:
    found = await database["messages"].find().sort("_id", ASCENDING).to_list(None)
    return [(message["_id"], message["text"]) for message in found]


def messages_of(expected: dict[str, list[StoredEvent]]) -> list[tuple[str, str]]:
    return sorted(
        (f"{stored.event.room}/{to_id(stored.position)}", stored.event.data["text"])
        for events in expected.values()
        for stored in events
        if stored.event.kind in SPOKEN and fold(None, room_event(stored)) is not None
    )


async def test_old_events_are_served_before_during_and_after_the_migration(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_BATCH_EVENTS", 7)
    await version_1.fill_mongodb(database)
    expected = version_1.by_audience()
    store = await MongoMessageStore.open(database, SHARDS)
    await check(store, expected)
    await ingest(store, expected, 100)
    await check(store, expected)

    at = 101
    async with aclosing(Migration(database).run()) as steps:
        async for _ in steps:
            await check(store, expected)
            await ingest(store, expected, at)
            await check(store, expected)
            at += 1

    assert at > 106
    for opened in (store, await MongoMessageStore.open(database, SHARDS)):
        await check(opened, expected)
        await ingest(opened, expected, at)
        at += 1
    assert await store.progress(0) == at
    assert await store.gaps(0) == [Gap(1, 2)]
    assert await shown_messages(database) == messages_of(expected)
    assert documents.LINES not in await database.list_collection_names()


async def test_a_migration_that_stops_anywhere_continues(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_BATCH_EVENTS", 5)
    await version_1.fill_mongodb(database)
    expected = version_1.by_audience()
    store = await MongoMessageStore.open(database, SHARDS)
    stops = 0

    # Each run is cancelled at another point: of reading, writing either collection, or deleting.
    while await database[documents.LINES].estimated_document_count():
        run = asyncio.create_task(migrate(Migration(database), lambda _: None))
        await asyncio.wait([run], timeout=0.002 * stops)
        run.cancel()
        await asyncio.wait([run])
        stops += 1
        await check(store, expected)

    assert stops > 3
    await migrate(Migration(database), lambda _: None)
    await check(store, expected)
    assert await shown_messages(database) == messages_of(expected)


@pytest.mark.parametrize("migrated_first", [False, True])
async def test_a_message_that_is_not_migrated_yet_changes_and_is_deleted(
    database: Database, *, migrated_first: bool
) -> None:
    await version_1.fill_mongodb(database)
    store = await MongoMessageStore.open(database, SHARDS)
    first, second = [
        created
        for created in version_1.by_audience()[YARD][:20]
        if created.event.kind in SPOKEN and created.event.sender == "bo"
    ][:2]
    keys = [MessageKey("yard", to_id(created.position)) for created in (first, second)]

    async def move() -> None:
        assert await migrate(Migration(database), lambda _: None) == []

    if migrated_first:
        await move()
    await store.store(0, [about(0, "message.edited", keys[0], {"text": "edited"})], 101)
    await store.store(0, [about(1, "message.edited", keys[1], {"text": "secret"})], 102)
    await store.store(0, [about(2, "message.deleted", keys[1], {})], 103)

    for _ in range(2):
        states = await store.messages(keys)
        assert states[keys[0]].text == "edited"
        assert states[keys[1]].deleted
        found = await store.messages_after(MessagesOf("yard"), -1, 1000)
        assert [stored.message for stored in found if stored.message.id == keys[0].id] == [
            states[keys[0]]
        ]
        redacted = await store.get(YARD, second.position)
        assert redacted is not None
        assert redacted.event.data == {"text": "", "redacted": True}
        assert len(found) == len({stored.position for stored in found})
        await move()
    assert repr(second.event.data["text"]) not in repr(
        [await database[name].find().to_list(None) for name in ("events", "messages")]
    )


def about(number: int, kind: str, key: MessageKey, data: dict[str, str]) -> StoredEvent:
    event = an_event(f"about-{number}", kind=kind, sender="bo", data={"message": key.id, **data})
    return StoredEvent(position(100 + number, 0), event)


async def start_command(url: str, database: str) -> asyncio.subprocess.Process:
    environment = {"MADANG_MONGO_URL": url, "MADANG_MONGO_DATABASE": database}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "madang_history",
        "migrate",
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_the_command_is_killed_and_run_again_while_history_serves(
    database: Database, mongo_url: str
) -> None:
    more = await version_1.fill_mongodb(database, more=30_000)
    store = await MongoMessageStore.open(database, SHARDS)
    first = await start_command(mongo_url, database.name)
    assert first.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await first.stdout.readline()
    first.kill()
    await first.wait()
    left = await database[documents.LINES].estimated_document_count()
    assert 0 < left < 30_000

    second = await start_command(mongo_url, database.name)
    running = asyncio.create_task(second.communicate())
    number = 0
    while not running.done():
        begin = number * 997 % 29_900
        assert await store.after(YARD, more[begin].position - 1, 50) == more[begin : begin + 50]
        added = StoredEvent(position(2_000 + number, 0), an_event(f"new-{number}"))
        assert await store.store(0, [added], 2_001 + number) == 1
        number += 1

    output, _ = await running
    assert second.returncode == 0
    assert b" events moved, 0 left" in output
    assert number > 1
    found = await store.after(YARD, more[0].position - 1, 40_000)
    assert found[: len(more)] == more
    assert len(found) == len(more) + number


async def test_a_second_migration_has_nothing_to_do(database: Database) -> None:
    await MongoMessageStore.open(database, SHARDS)
    shown: list[str] = []

    assert await migrate(Migration(database), shown.append) == []

    assert shown == ["0 events moved, 0 left"]


async def test_what_cannot_be_moved_stays_and_is_reported(database: Database) -> None:
    await version_1.fill_mongodb(database)
    store = await MongoMessageStore.open(database, SHARDS)
    expected = version_1.by_audience()
    lines = database[documents.LINES]
    whole = expected[YARD][3]
    selected = {"_id": event_id(YARD, whole.position)}
    await lines.update_one(selected, {"$set": {"line": b"no event"}})

    failures = await migrate(Migration(database), lambda _: None)

    assert failures == ["1 events cannot be moved; the log names them"]
    assert await lines.count_documents({}) == 1
    await lines.update_one(selected, {"$set": {"line": whole.event.line()}})
    assert await migrate(Migration(database), lambda _: None) == []
    await check(store, expected)


async def test_a_start_waits_for_the_replicas_of_the_version_before(database: Database) -> None:
    await version_1.fill_mongodb(database)
    replica = {"_id": "one", "owner": "one", "since": datetime.now(UTC)}
    soon = datetime.now(UTC) + timedelta(minutes=1)
    await database["leases"].insert_one(replica | {"expires": soon})

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="stop all of them"):
            await MongoMessageStore.open(database, SHARDS)
    with pytest.raises(StoreUnavailable, match="stop all of them"):
        await migrate(Migration(database), lambda _: None)
    assert documents.LINES not in await database.list_collection_names()

    await database["leases"].update_one({"_id": "one"}, {"$set": {"expires": datetime.now(UTC)}})
    await check(await MongoMessageStore.open(database, SHARDS), version_1.by_audience())


async def test_replicas_of_this_version_start_together_on_old_events(database: Database) -> None:
    await version_1.fill_mongodb(database)

    opened = await asyncio.gather(*(MongoMessageStore.open(database, SHARDS) for _ in range(5)))

    for store in opened:
        await check(store, version_1.by_audience())


async def test_the_embedded_store_migrates_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "messages.db"
    version_1.fill_sqlite(path)
    expected = version_1.by_audience()

    for at in (100, 101):
        store = await SqliteMessageStore.open(path, SHARDS)
        await check(store, expected)
        await ingest(store, expected, at)
        assert await store.gaps(0) == [Gap(1, 2)]
        await store.close()

    db = sqlite3.connect(path)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    found = db.execute("SELECT room || '/' || id, text FROM messages ORDER BY 1").fetchall()
    db.close()
    assert not {name for name in tables if "version_1" in name}
    assert found == messages_of(expected)


async def test_an_embedded_migration_that_was_killed_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.db"
    version_1.fill_sqlite(path)
    monkeypatch.setattr(sqlite_migration, "_BATCH_EVENTS", 7)
    move_batch = sqlite_migration._move_batch

    for steps in (0, 1, 3):
        left = [steps]

        def killed(
            db: sqlite3.Connection,
            rows: Sequence[sqlite_migration.Line],
            left: list[int] = left,
        ) -> int:
            if not left[0]:
                raise sqlite3.OperationalError("killed")
            left[0] -= 1
            return move_batch(db, rows)

        monkeypatch.setattr(sqlite_migration, "_move_batch", killed)
        with pytest.raises(StoreUnavailable, match="killed"):
            await SqliteMessageStore.open(path, SHARDS)
    monkeypatch.setattr(sqlite_migration, "_move_batch", move_batch)

    store = await SqliteMessageStore.open(path, SHARDS)
    await check(store, version_1.by_audience())
    await store.close()


async def test_what_the_embedded_store_cannot_move_stays_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.db"
    version_1.fill_sqlite(path)
    monkeypatch.setattr(sqlite_migration, "_BATCH_EVENTS", 2)
    expected = version_1.by_audience()
    whole = expected[YARD][3]
    with closing(sqlite3.connect(path)) as db, db:
        change = "UPDATE events SET line = ? WHERE audience = ? AND position = ?"
        db.execute(change, (b"no event", YARD, whole.position))

    for _ in range(2):
        with capture_logs() as logged:
            store = await SqliteMessageStore.open(path, SHARDS)
        assert await store.get(YARD, whole.position) is None
        assert await store.get(YARD, expected[YARD][-1].position) == expected[YARD][-1]
        await store.close()
        reported = [entry for entry in logged if entry["event"] == "event_not_migrated"]
        assert [entry["id"] for entry in reported] == [to_id(whole.position)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE events_of_version_1 SET line = ?", (whole.event.line(),))

    store = await SqliteMessageStore.open(path, SHARDS)
    await check(store, expected)
    await store.close()


async def test_a_failed_opening_leaves_no_connection_and_no_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.db"
    version_1.fill_sqlite(path)
    used: list[sqlite3.Connection] = []

    def fail(db: sqlite3.Connection, _: Sequence[StoredEvent]) -> int:
        used.append(db)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_migration, "add_events", fail)
        with pytest.raises(StoreUnavailable, match="disk"):
            await SqliteMessageStore.open(path, SHARDS)

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used[0].execute("SELECT 1")
    store = await SqliteMessageStore.open(path, SHARDS)
    await check(store, version_1.by_audience())
    await store.close()
