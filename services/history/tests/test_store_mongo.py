import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
from bson import Int64
from pymongo import ReplaceOne, WriteConcern
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, WriteError
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from typing_extensions import override

from madang_common.log.position import to_id
from madang_common.settings import CannotStart
from madang_fold import Message, fold
from madang_history.endpoint import MongoEndpoint
from madang_history.store import documents, mongo_client
from madang_history.store.event_documents import event_document, event_id
from madang_history.store.message_documents import message_document
from madang_history.store.messages import room_event
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import Database
from madang_history.store.port import (
    LAST,
    Gap,
    MessageCount,
    MessageKey,
    MessagesOf,
    StoredEvent,
    StoreUnavailable,
)
from stack.servers import MongoDB

from .conftest import an_event

SHARDS = 4
ROOM = "rooms.yard"
YARD = MessagesOf("yard")
SPOKEN = ("message.created",)


class RecordedCommands(CommandListener):
    """Records the commands that the client sends."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.times: dict[str, Any] = {}
        """The server's time of the last response to each command."""

    @override
    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append(dict(event.command))

    @override
    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.times[event.command_name] = event.reply.get("operationTime")

    @override
    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def named(self, *names: str) -> list[dict[str, Any]]:
        return [command for command in self.commands if next(iter(command), None) in names]


Connect = Callable[[str], AbstractAsyncContextManager[Database]]


@pytest.fixture
def recorded() -> RecordedCommands:
    return RecordedCommands()


@pytest.fixture
async def database(
    mongo_url: str, mongo_database: str, recorded: RecordedCommands
) -> AsyncIterator[Database]:
    async with mongo_client.connected(
        MongoEndpoint.at(mongo_url),
        mongo_database,
        timeout_seconds=10,
        connections=4,
        listeners=[recorded],
    ) as database:
        yield database


@pytest.fixture
async def store(database: Database) -> MongoMessageStore:
    return await MongoMessageStore.open(database, SHARDS)


def entries(first: int, count: int, **changes: Any) -> list[StoredEvent]:
    return [StoredEvent(n, an_event(str(n), **changes)) for n in range(first, first + count)]


def stages(plan: dict[str, Any]) -> set[str]:
    """Return the names of all stages of an executed plan."""
    inner = [plan[name] for name in ("inputStage", "thenStage", "elseStage") if name in plan]
    inner += plan.get("inputStages", [])
    return {plan["stage"]}.union(*map(stages, inner))


async def explained(database: Database, command: dict[str, Any]) -> dict[str, Any]:
    """Return the server's execution statistics of `command`."""
    left_out = {"lsid", "$clusterTime", "$db", "readConcern", "txnNumber"}
    query = {name: value for name, value in command.items() if name not in left_out}
    plan = await database.command("explain", query, verbosity="executionStats")
    if "stages" in plan:
        plan = plan["stages"][0]["$cursor"]
    executed: dict[str, Any] = plan["executionStats"]
    return executed


QUERIES: dict[str, tuple[Callable[[MongoMessageStore], Any], int, str]] = {
    "newest": (lambda store: store.before(ROOM, None, 50), 50, documents.BY_ID),
    "before": (lambda store: store.before(ROOM, 900, 50), 50, documents.BY_ID),
    "after": (lambda store: store.after(ROOM, 100, 50), 50, documents.BY_ID),
    "after, up to an end": (
        lambda store: store.after(ROOM, 100, 50, upto=120),
        20,
        documents.BY_ID,
    ),
    "of a kind, up to an end": (
        lambda store: store.after(ROOM, 100, 50, SPOKEN, upto=120),
        20,
        documents.BY_KIND,
    ),
    "from the first": (lambda store: store.after(ROOM, -1, 50), 50, documents.BY_ID),
    "one": (lambda store: store.get(ROOM, 500), 1, documents.BY_ID),
    "by key": (lambda store: store.by_key(ROOM, "ana", "500"), 1, documents.BY_KEY),
    "newest of a kind": (lambda store: store.before(ROOM, None, 50, SPOKEN), 50, documents.BY_KIND),
    "newest of a rare kind": (
        lambda store: store.before(ROOM, None, 5, ["room.updated"]),
        2,
        documents.BY_KIND,
    ),
    "after, of some kinds": (
        lambda store: store.after(ROOM, 100, 50, ["room.updated", *SPOKEN, "member.left"]),
        50,
        documents.BY_KIND,
    ),
    "newest messages": (lambda store: store.messages_before(YARD, None, 50), 50, documents.BY_ROOM),
    "messages after, up to an end": (
        lambda store: store.messages_after(YARD, 100, 50, upto=120),
        20,
        documents.BY_ROOM,
    ),
    "replies": (
        lambda store: store.messages_before(YARD._replace(thread=to_id(1)), None, 50),
        3,
        documents.BY_THREAD,
    ),
    "pins": (
        lambda store: store.messages_after(YARD._replace(pinned=True), 10, 50),
        2,
        documents.BY_PIN,
    ),
    "some messages": (
        lambda store: store.messages([MessageKey("yard", to_id(n)) for n in (1, 2, 5000)]),
        2,
        documents.BY_ID,
    ),
    "edits": (
        lambda store: store.edits(MessageKey("yard", to_id(1)), 4000, 50),
        3,
        documents.BY_MESSAGE,
    ),
    "holes": (lambda store: store.gaps(1), 2, documents.BY_FIRST),
    "progress": (lambda store: store.progress(1), 1, documents.BY_ID),
}


def naming(position: int) -> dict[str, Any]:
    return {"message": to_id(position)}


async def fill(store: MongoMessageStore) -> None:
    """Store 1,000 events of the yard among those of other rooms."""
    for room in ("yard", "yar", "yarda"):
        await store.store(1, entries(0, 1000, room=room), 7)
    await store.store(1, entries(0, 1000, room=None, user="ana"), 7)
    await store.store(1, entries(2000, 2, kind="room.updated"), 8)
    await store.store(1, entries(3000, 3, data={"text": "a reply", "thread": to_id(1)}), 9)
    await store.store(1, entries(3100, 3, data={"text": "a reply", "thread": to_id(2)}), 9)
    for number, pinned in enumerate((5, 20, 30)):
        await store.store(
            1, entries(3200 + number, 1, kind="message.pinned", data=naming(pinned)), 9
        )
    edit = naming(1) | {"text": "edited"}
    await store.store(1, entries(4000, 4, kind="message.edited", data=edit), 9)
    reaction = naming(1) | {"emoji": "👍"}
    await store.store(1, entries(4100, 9, kind="reaction.added", data=reaction), 9)
    for number in range(10):
        about = naming(500 + number)
        await store.store(1, entries(4200 + number, 1, kind="message.deleted", data=about), 9)
    for gap in (Gap(1, 2), Gap(5, 6)):
        await store.add_gap(1, gap)
        await store.add_gap(2, gap)


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_examines_only_what_it_returns_and_does_not_sort(
    name: str, store: MongoMessageStore, database: Database, recorded: RecordedCommands
) -> None:
    query, returned, index = QUERIES[name]
    await fill(store)
    recorded.commands.clear()
    await query(store)
    (command,) = recorded.named("find", "getMore")

    done = await explained(database, command)

    used = stages(done["executionStages"])
    assert done["nReturned"] == returned
    assert done["totalDocsExamined"] == returned
    assert done["totalKeysExamined"] <= returned + 4
    assert used & {"IXSCAN", "IDHACK"}
    assert not used & {"SORT", "COLLSCAN"}
    assert command.get("hint", documents.BY_ID) == index


FOR_PEOPLE: dict[str, tuple[str, dict[str, Any], list[tuple[str, int]], int]] = {
    "messages of a room": ("messages", {"room": "yard"}, [], 1000),
    "its newest messages": ("messages", {"room": "yard"}, [("position", -1)], 50),
    "a message": ("messages", {"_id": "yard/000000000003"}, [], 1),
    "events of a kind": ("events", {"audience": ROOM, "kind": "room.updated"}, [], 2),
    "a thread": ("messages", {"room": "yard", "thread": to_id(1)}, [("position", 1)], 3),
}
"""By what they find: queries of the README, with their order and the number of results."""


@pytest.mark.parametrize("name", FOR_PEOPLE)
async def test_a_persons_query_examines_only_what_it_returns(
    name: str, store: MongoMessageStore, database: Database
) -> None:
    collection, query, order, returned = FOR_PEOPLE[name]
    await fill(store)
    command: dict[str, Any] = {"find": collection, "filter": query, "limit": 1000}
    if order:
        command |= {"sort": dict(order), "limit": returned}

    done = await explained(database, command)

    assert done["nReturned"] == returned
    assert done["totalDocsExamined"] == returned
    assert done["totalKeysExamined"] <= returned + 1
    assert not stages(done["executionStages"]) & {"SORT", "COLLSCAN"}


@pytest.mark.parametrize(("after", "most", "counted"), [(-1, 100, 100), (989, 10, 10)])
@pytest.mark.parametrize("reader", ["bo", "ana"])
async def test_a_count_uses_the_index_only_and_stops_at_its_limit(
    store: MongoMessageStore,
    database: Database,
    recorded: RecordedCommands,
    reader: str,
    after: int,
    most: int,
    counted: int,
) -> None:
    await fill(store)
    recorded.commands.clear()
    found = await store.count_messages("yard", after, upto=LAST, reader=reader, most=most)
    assert found == MessageCount(0 if reader == "ana" else counted, counted)
    (command,) = recorded.named("aggregate")

    done = await explained(database, command)

    assert done["totalDocsExamined"] == 0
    assert done["totalKeysExamined"] <= counted + 2
    assert not stages(done["executionStages"]) & {"SORT", "COLLSCAN"}


async def test_a_count_examines_only_the_deleted_messages_to_subtract_them(
    store: MongoMessageStore, database: Database, recorded: RecordedCommands
) -> None:
    await fill(store)
    recorded.commands.clear()
    found = await store.count_messages("yard", 400, upto=508, reader="bo", most=1000)
    assert found == MessageCount(108 - 9, 108)
    (command,) = recorded.named("find")

    done = await explained(database, command)

    assert done["totalKeysExamined"] <= 9 + 2
    assert done["totalDocsExamined"] <= 9
    assert not stages(done["executionStages"]) & {"SORT", "COLLSCAN"}


async def test_everything_is_written_to_a_majority_and_read_from_it(
    store: MongoMessageStore, recorded: RecordedCommands
) -> None:
    recorded.commands.clear()
    await store.store(1, entries(0, 3), 1)
    await store.add_gap(1, Gap(1, 2))
    await store.after(ROOM, -1, 10)
    await store.by_key(ROOM, "ana", "1")
    await store.progress(1)
    await store.gaps(1)
    await store.count_messages("yard", -1, upto=LAST, reader="bo", most=10)

    written = recorded.named("insert", "update")
    read = recorded.named("find", "aggregate")
    assert len(written) == 4
    assert all(
        command["writeConcern"] == {"w": "majority", "j": True, "wtimeout": 10_000}
        for command in written
    )
    assert len(read) == 6
    assert {command["readConcern"]["level"] for command in read} == {"majority"}


async def test_reads_are_causally_consistent(
    store: MongoMessageStore, recorded: RecordedCommands
) -> None:
    recorded.commands.clear()
    await store.store(1, entries(0, 3), 1)
    await store.progress(1)
    await store.after(ROOM, -1, 10)

    waited_for = [command["readConcern"]["afterClusterTime"] for command in recorded.named("find")]
    assert len(waited_for) == 2
    assert waited_for == sorted(waited_for)


async def test_every_unique_index_begins_with_the_shard_key(
    store: MongoMessageStore, database: Database
) -> None:
    for name, shard_key in documents.SHARD_KEYS.items():
        indexes = await database[name].index_information()

        del indexes[documents.BY_ID]  # of equal ids, the shard key is equal too
        assert indexes
        assert {index["key"][0] for index in indexes.values()} == {(shard_key, 1)}


async def test_every_query_for_events_names_the_shard_key(
    store: MongoMessageStore, recorded: RecordedCommands
) -> None:
    await store.store(1, entries(0, 3), 1)
    recorded.commands.clear()
    for query, _, _ in QUERIES.values():
        await query(store)
    await store.count_messages("yard", -1, upto=LAST, reader="bo", most=10)

    found = {"events": 0, "messages": 0}
    for command in recorded.named("find", "aggregate"):
        name = command.get("find") or command["aggregate"]
        if name in found:
            query = command.get("filter") or command["pipeline"][0]["$match"]
            assert query[documents.SHARD_KEYS[name]] in (ROOM, "yard", {"$in": ["yard"]})
            found[name] += 1
    assert found == {"events": 13, "messages": 6}


async def test_every_write_of_a_message_or_redaction_names_the_shard_key(
    store: MongoMessageStore, recorded: RecordedCommands
) -> None:
    await store.store(1, entries(0, 3), 1)
    recorded.commands.clear()
    await store.store(1, entries(3, 1, kind="message.edited", data=naming(1) | {"text": "x"}), 1)
    await store.store(1, entries(4, 1, kind="message.deleted", data=naming(1)), 1)

    found = {"events": 0, "messages": 0}
    for command in recorded.named("update"):
        if command["update"] in found:
            for update in command["updates"]:
                assert update["q"][documents.SHARD_KEYS[command["update"]]] in (ROOM, "yard")
                found[command["update"]] += 1
    assert found == {"events": 2, "messages": 2}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"position": 1}, id="a position of 32 bits"),
        pytest.param({"position": "1"}, id="a position that is text"),
        pytest.param({"at": "2026-01-01T00:00:00.000Z"}, id="a time that is text"),
        pytest.param({"data": "text"}, id="data that is no object"),
        pytest.param({"audience": None}, id="no audience"),
        pytest.param({"key": 5}, id="a key that is a number"),
    ],
)
async def test_the_database_refuses_an_invalid_event(
    store: MongoMessageStore, database: Database, change: dict[str, Any]
) -> None:
    (entry,) = entries(0, 1)
    good = event_document(entry)

    with pytest.raises(WriteError, match="failed validation"):
        await database["events"].insert_one(good | change)

    await database["events"].insert_one(good)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"position": 1}, id="a position of 32 bits"),
        pytest.param({"version": 1}, id="a version that is a number"),
        pytest.param({"edited_at": "2026-01-01T00:00:00.000Z"}, id="a time that is text"),
        pytest.param({"reactions": {"👍": ["ana"]}}, id="reactions that are no list"),
        pytest.param({"thread_summary": {"replies": 0}}, id="a thread without a reply"),
        pytest.param({"meta": "text"}, id="meta that is no object"),
        pytest.param({"text": None}, id="a text that is null"),
    ],
)
async def test_the_database_refuses_an_invalid_message(
    store: MongoMessageStore, database: Database, change: dict[str, Any]
) -> None:
    message = fold(None, room_event(*entries(0, 1)))
    assert message is not None
    good = message_document("yard", message)

    with pytest.raises(WriteError, match="failed validation"):
        await database["messages"].insert_one(good | change)

    await database["messages"].insert_one(good)


async def test_the_database_refuses_an_invalid_progress(
    store: MongoMessageStore, database: Database
) -> None:
    with pytest.raises(WriteError, match="failed validation"):
        await database["progress"].insert_one({"_id": 1, "next": Int64(-1)})


async def test_a_refused_write_does_not_change_the_progress(
    store: MongoMessageStore, database: Database
) -> None:
    await store.store(1, entries(0, 2), 1)
    refusing = {"$jsonSchema": documents.EVENT, "key": {"$ne": "3"}}
    await database.command("collMod", "events", validator=refusing)

    with pytest.raises(StoreUnavailable):
        await store.store(1, entries(2, 3), 2)
    assert await store.progress(1) == 1

    await database.command("collMod", "events", validator={"$jsonSchema": documents.EVENT})
    assert await store.store(1, entries(2, 3), 2) == 1
    assert [found.position for found in await store.after(ROOM, -1, 10)] == [0, 1, 2, 3, 4]
    assert await store.progress(1) == 2


CHANGED = "message.edited"
LOG = [
    *entries(1, 1),
    *entries(2, 1, kind=CHANGED, data=naming(1) | {"text": "two"}),
    *entries(3, 1, kind=CHANGED, data=naming(1) | {"text": "three"}),
    *entries(4, 1, kind="message.deleted", data=naming(1)),
    *entries(5, 1, kind=CHANGED, data=naming(1) | {"text": "five"}),
]


async def state(store: MongoMessageStore) -> Message:
    (message,) = (await store.messages([MessageKey("yard", to_id(1))])).values()
    return message


@pytest.mark.parametrize(("begin", "end"), [(0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5)])
async def test_a_writer_that_was_overtaken_applies_its_events_to_what_is_stored_then(
    store: MongoMessageStore, database: Database, begin: int, end: int
) -> None:
    old, new = store._writer._messages, await MongoMessageStore.open(database, SHARDS)
    await store.store(1, LOG[:begin], 1)
    prepared = await old.prepare(LOG[begin:end], None)
    await new.store(1, LOG[begin:], 2)
    expected = await state(new)

    await old.write(prepared, None)

    assert await state(new) == expected
    assert expected.deleted
    assert expected.version == to_id(5)


async def test_of_two_writers_that_read_the_same_version_none_loses_an_event(
    store: MongoMessageStore, database: Database
) -> None:
    other = await MongoMessageStore.open(database, SHARDS)
    reactions = [
        StoredEvent(n, an_event(str(n), kind="reaction.added", data=naming(1) | {"emoji": emoji}))
        for n, emoji in enumerate("👍🎉", 2)
    ]
    await store.store(1, LOG[:1], 1)
    behind = await store._writer._messages.prepare(reactions[:1], None)
    ahead = await other._writer._messages.prepare(reactions, None)

    await store._writer._messages.write(behind, None)
    await other._writer._messages.write(ahead, None)

    assert dict((await state(store)).reactions) == {"👍": ("ana",), "🎉": ("ana",)}


@pytest.mark.parametrize("stopped_at", ["write", "_write", "_redact"])
async def test_what_a_crash_leaves_undone_is_done_by_the_next_writer(
    store: MongoMessageStore,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    stopped_at: str,
) -> None:
    async def crash(*_: object) -> None:
        raise AutoReconnect("crashed")

    await store.store(1, LOG[:1], 1)
    monkeypatch.setattr(store._writer._messages, stopped_at, crash)
    with pytest.raises(StoreUnavailable):
        await store.store(1, LOG[1:], 2)
    assert len(await store.after(ROOM, -1, 10)) == len(LOG)
    assert await store.progress(1) == 1

    other = await MongoMessageStore.open(database, SHARDS)
    assert await other.store(1, LOG[1:], 2) == 0

    assert (await state(other)).deleted
    assert [stored.event.data.get("redacted") for stored in await other.after(ROOM, -1, 10)] == [
        True,
        True,
        True,
        None,
        True,
    ]


async def test_a_new_store_renames_nothing(database: Database, recorded: RecordedCommands) -> None:
    """It could rename the collection that another replica, which starts too, has just created."""
    await MongoMessageStore.open(database, SHARDS)

    assert recorded.named("create")
    assert not recorded.named("renameCollection")


async def test_replicas_that_start_together_create_one_store(database: Database) -> None:
    opened = await asyncio.gather(*(MongoMessageStore.open(database, SHARDS) for _ in range(5)))

    await opened[0].store(1, entries(0, 1), 1)
    assert [await store.progress(1) for store in opened] == [1] * 5


async def test_a_hinted_index_must_exist(store: MongoMessageStore, database: Database) -> None:
    await database["events"].drop_index(documents.BY_KIND)

    with pytest.raises(StoreUnavailable) as raised:
        await store.before(ROOM, None, 1, SPOKEN)

    assert isinstance(raised.value.__cause__, OperationFailure)


async def test_errors_for_clients_contain_no_addresses(mongo_database: str) -> None:
    nowhere = "mongodb://madang:hunter2@127.0.0.1:9/?replicaSet=none"
    async with mongo_client.connected(
        MongoEndpoint.at(nowhere), mongo_database, timeout_seconds=0.5, connections=2
    ) as database:
        with pytest.raises(StoreUnavailable) as raised:
            await MongoMessageStore.open(database, SHARDS)

    assert "127.0.0.1" not in raised.value.detail
    assert "127.0.0.1" in str(raised.value.__cause__)
    assert "hunter2" not in str(raised.value.__cause__)


@pytest.mark.parametrize("url", ["mongodb://u:secret/@one", "mongodb://u:secret@one:x"])
async def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(CannotStart, match="MADANG_MONGO_URL is invalid") as refusal:
        async with mongo_client.connected(
            MongoEndpoint.at(url), "madang", timeout_seconds=1, connections=1
        ):
            pass

    assert "secret" not in str(refusal.value)


async def test_a_busy_pool_does_not_delay_the_ping(mongo_url: str, mongo_database: str) -> None:
    open_client = partial(
        mongo_client.connected,
        MongoEndpoint.at(mongo_url),
        mongo_database,
        timeout_seconds=10,
        connections=1,
    )
    async with open_client() as database, open_client() as health:
        store = await MongoMessageStore.open(database, SHARDS, health)
        await store.store(1, entries(0, 1), 1)
        busy = asyncio.ensure_future(
            database["events"].find_one({"$where": "function() { sleep(3000); return true; }"})
        )
        queued = asyncio.create_task(store.progress(1))

        await asyncio.wait_for(store.ping(), 2)

        assert not queued.done()
        assert not busy.done()
        await asyncio.gather(busy, queued)


async def test_after_a_crash_of_the_server_all_events_are_there(
    private_mongodb: MongoDB,
) -> None:
    url = private_mongodb.url
    async with mongo_client.connected(
        MongoEndpoint.at(url), "madang", timeout_seconds=1, connections=4
    ) as database:
        store = await MongoMessageStore.open(database, SHARDS)
        await store.store(1, entries(0, 500), 1)

        await asyncio.to_thread(private_mongodb.kill)
        with pytest.raises(StoreUnavailable):
            await store.store(1, entries(500, 500), 2)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        await asyncio.to_thread(private_mongodb.start)

        assert await store.progress(1) == 1
        assert await store.store(1, entries(500, 500), 2) == 500
        assert len(await store.after(ROOM, -1, 2000)) == 1000


async def test_a_server_that_does_not_answer_times_out(private_mongodb: MongoDB) -> None:
    url = private_mongodb.url
    async with mongo_client.connected(
        MongoEndpoint.at(url), "madang", timeout_seconds=1, connections=4
    ) as database:
        store = await MongoMessageStore.open(database, SHARDS)
        private_mongodb.pause()
        try:
            async with asyncio.timeout(15):
                with pytest.raises(StoreUnavailable):
                    await store.after(ROOM, -1, 1)
                with pytest.raises(StoreUnavailable):
                    await store.store(1, entries(0, 1), 1)
        finally:
            private_mongodb.resume()

        async with asyncio.timeout(15):
            while True:
                try:
                    await store.store(1, entries(0, 1), 1)
                    break
                except StoreUnavailable:
                    continue
        assert len(await store.after(ROOM, -1, 10)) == 1


async def test_a_cancelled_write_does_no_harm(
    store: MongoMessageStore,
) -> None:
    for at in range(0, 2000, 100):
        write = asyncio.create_task(store.store(1, entries(at, 100), at))
        await asyncio.sleep(at / 1_000_000)
        write.cancel()
        await asyncio.wait([write])

    assert await store.store(1, entries(0, 2000), 2000) <= 2000
    assert len(await store.after(ROOM, -1, 3000)) == 2000


def ids(audience: str, positions: Sequence[int]) -> list[str]:
    return [event_id(audience, position) for position in positions]


def test_ids_sort_by_position_within_an_audience() -> None:
    positions = [0, 1, 31, 32, 4096, 1 << 40, (1 << 60) - 1]

    assert ids(ROOM, positions) == sorted(ids(ROOM, positions))


async def test_an_error_of_a_bulk_write_has_nothing_of_what_people_wrote(
    database: Database, store: MongoMessageStore
) -> None:
    written = [event_document(entry) for entry in entries(0, 3, data={"text": "a secret"})]
    invalid = {**event_document(StoredEvent(3, an_event("3"))), "data": "a secret"}
    session = await database.client.start_session()
    await mongo_client.insert_new(database[documents.EVENTS], written, session)
    no_majority = database[documents.EVENTS].with_options(write_concern=WriteConcern(2))

    for collection, documents_to_write, told in (
        (database[documents.EVENTS], [*written, invalid], "Document failed validation (121)"),
        (no_majority, written, "Not enough data-bearing nodes (100)"),
    ):
        with pytest.raises(PyMongoError) as failed:
            await mongo_client.insert_new(collection, documents_to_write, session)
        assert told in str(failed.value)
        assert "secret" not in "".join(traceback.format_exception(failed.value))
    replacement = ReplaceOne({"_id": written[0]["_id"]}, {**invalid, "_id": written[0]["_id"]})
    with pytest.raises(PyMongoError, match="failed validation") as failed:
        await mongo_client.write_all(database[documents.EVENTS], [replacement], session)
    assert "secret" not in "".join(traceback.format_exception(failed.value))
    await session.end_session()


async def test_an_epoch_that_was_entered_is_read_back_after_an_election(
    database: Database, recorded: RecordedCommands
) -> None:
    await MongoMessageStore.open(database, SHARDS, epoch=1)

    entered = recorded.commands.index(recorded.named("update")[0])
    read = next(one for one in recorded.commands[entered:] if "find" in one)
    # A new primary that does not have the write yet waits for it.
    assert read["readConcern"]["afterClusterTime"] >= recorded.times["update"]
