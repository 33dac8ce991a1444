"""Each kind of fault in a store is found, on every adapter of the log and of the store."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event
from madang_common.log.port import Batch, Log
from madang_common.log.position import first_offset, offset_of, position, shard_of, to_id
from madang_history.ingest.decode import decode_lines
from madang_history.store.port import MessageStore, StoredEvent
from madang_history.verify import shard as shard_module
from madang_history.verify.command import lines, to_json
from madang_history.verify.findings import Fault, Report
from madang_history.verify.verify import verify
from tests.support.logs import Logs
from tests.support.message_stores import SHARDS, Stores

AT = "2026-01-01T00:00:00.000Z"


def message(key: str, room: str = "yard", sender: str = "ana") -> Event:
    data = {"text": f"this is {key}", "list": [1, {"a.b": None}]}
    return Event(key, "message.created", sender, "안나", AT, data, room=room)


def left(user: str, room: str = "yard") -> Event:
    data = {"user": user, "name": user}
    return Event(f"{user} left {room}", "member.left", user, user, AT, data, room=room)


@dataclass
class LogAndStore:
    """A log, and a store of what was said in it."""

    logs: Logs
    stores: Stores
    log: Log
    store: MessageStore

    async def say(self, *batches: Sequence[Event | bytes]) -> list[StoredEvent]:
        """Append batches to the shard of the yard; return the entries to store, stored not yet."""
        appended: list[Batch] = []
        shard = self.shard
        for batch in batches:
            offset = await self.log.end(shard)
            lines = tuple(one if isinstance(one, bytes) else one.line() for one in batch)
            await self.log.append(shard, lines)
            appended.append(Batch(offset, lines))
        return decode_lines(appended, shard, self.log.shards, Departures()).entries

    @property
    def shard(self) -> int:
        return shard_of("rooms.yard", self.log.shards)

    async def keep(self, *entries: StoredEvent) -> None:
        """Store `entries` one by one, and that everything was."""
        end = await self.log.end(self.shard)
        for entry in entries:
            await self.store.store(self.shard, [entry], end)

    async def verify(self, only: str | None = None, most: int = 1000) -> Report:
        @asynccontextmanager
        async def older_logs(epoch: int, shards: int | None) -> AsyncIterator[Log | None]:
            older = await self.logs.open_existing(epoch, shards or SHARDS)
            try:
                yield older
            finally:
                if older is not None:
                    await older.close()

        return await verify(self.log, older_logs, self.store, only=only, most=most)

    async def found(self, only: str | None = None) -> list[tuple[Fault, str]]:
        report = await self.verify(only)
        assert report.faults == len(report.findings)
        return [(finding.fault, finding.key) for finding in report.findings]


@pytest.fixture
async def log_and_store(logs: Logs, stores: Stores) -> AsyncIterator[LogAndStore]:
    log, store = await logs.open(), await stores.open()
    yield LogAndStore(logs, stores, log, store)
    await store.close()
    await log.close()


@pytest.fixture(params=[1, 3, 5000])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare so many events at a time."""
    monkeypatch.setattr(shard_module, "_WINDOW_EVENTS", request.param)
    monkeypatch.setattr(shard_module, "_PAGE", 2)


async def test_an_empty_store_of_an_empty_log_has_no_fault(log_and_store: LogAndStore) -> None:
    report = await log_and_store.verify()

    assert report.faults == 0
    assert [shard.events for shard in report.shards] == [0, 0]


@pytest.mark.usefixtures("window")
async def test_each_kind_of_fault_is_found(log_and_store: LogAndStore) -> None:
    other = next(
        f"well{n}" for n in range(99) if shard_of(f"rooms.well{n}", SHARDS) == log_and_store.shard
    )
    entries = await log_and_store.say(
        [message("a"), message("b", other), message("missing")],
        [message("c"), message("changed"), message("repeated")],
        [message("d", other), message("e", other)],
        [message("repeated"), message("f")],
        [message("g", other)],
        [message("h", other)],
    )
    by_key: dict[str, list[StoredEvent]] = {}
    for entry in entries:
        by_key.setdefault(entry.event.key, []).append(entry)
    changed = by_key["changed"][0]
    nowhere = StoredEvent(position(offset_of(by_key["d"][0].position), 5), message("unknown"))
    after = StoredEvent(
        position(await log_and_store.log.end(log_and_store.shard), 0) - 1, message("unknown after")
    )
    kept = [entry for entry in entries if entry.event.key not in {"missing", "changed"}]
    await log_and_store.stores.allow_repetitions()
    await log_and_store.keep(
        *kept,
        changed._replace(event=changed.event._replace(data={"text": "another"})),
        nowhere,
        after,
    )

    assert Counter(await log_and_store.found()) == Counter(
        [
            (Fault.MISSING, "missing"),
            (Fault.DIFFERENT, "changed"),
            (Fault.REPEATED, "repeated"),
            (Fault.UNKNOWN, "unknown"),
            (Fault.UNKNOWN, "unknown after"),
        ]
    )
    assert await log_and_store.found(f"rooms.{other}") == []
    assert (await log_and_store.verify("rooms.yard")).faults == 5


@pytest.mark.usefixtures("window")
async def test_excluded_events_are_no_fault(log_and_store: LogAndStore) -> None:
    entries = await log_and_store.say(
        [message("a"), message("b"), b"not an event"],
        [message("a"), left("ana"), message("too late")],
        [message("c", sender="bo"), message("b")],
    )
    await log_and_store.keep(*entries)
    await log_and_store.say([message("not stored yet")])

    report = await log_and_store.verify()

    assert report.findings == []
    found = report.shards[log_and_store.shard]
    assert (found.events, found.repetitions, found.excluded, found.dead_letters) == (5, 1, 2, 1)
    assert found.after == await log_and_store.log.end(log_and_store.shard) - 1


async def test_an_event_that_is_stored_where_it_was_repeated_is_a_fault(
    log_and_store: LogAndStore,
) -> None:
    entries = await log_and_store.say([message("a")], [message("a")])
    await log_and_store.keep(entries[1])

    assert await log_and_store.found() == [(Fault.DIFFERENT, "a")]


async def test_findings_are_limited_and_all_faults_are_counted(log_and_store: LogAndStore) -> None:
    entries = await log_and_store.say([message(f"key {number}") for number in range(10)])
    await log_and_store.keep(*entries[:3])

    report = await log_and_store.verify(most=2)

    assert (report.faults, len(report.findings)) == (7, 2)
    assert "… and 5 more\n" in list(lines(report))


async def test_earlier_epochs_are_verified_where_they_still_exist(
    log_and_store: LogAndStore,
) -> None:
    before = await log_and_store.say([message("a"), message("b"), left("bo")])
    await log_and_store.keep(before[0], *before[2:])
    await log_and_store.log.close()
    await log_and_store.store.close()
    log_and_store.log = await log_and_store.logs.open(SHARDS + 1, epoch=1)
    log_and_store.store = await log_and_store.stores.open(SHARDS + 1, epoch=1)
    now = await log_and_store.say([message("c"), message("d"), message("late", sender="bo")])
    await log_and_store.keep(now[0])

    report = await log_and_store.verify()

    assert [(one.fault, one.epoch, one.key) for one in report.findings] == [
        (Fault.MISSING, 0, "b"),
        (Fault.MISSING, 1, "d"),
    ]
    assert report.shards[-1].epoch == 1
    assert sum(shard.excluded for shard in report.shards) == 1
    assert {shard.first for shard in report.shards if shard.epoch == 1} == {first_offset(1)}


async def test_the_report_has_counts_and_ids_for_people_and_machines(
    log_and_store: LogAndStore,
) -> None:
    entries = await log_and_store.say([message("a"), message("b\x1b")])
    await log_and_store.keep(entries[0])

    report = await log_and_store.verify()

    at = entries[1].position
    document: dict[str, Any] = json.loads(to_json(report))
    assert document["faults"] == 1
    assert document["findings"] == [
        {
            "fault": "missing",
            "epoch": 0,
            "shard": log_and_store.shard,
            "audience": "rooms.yard",
            "position": to_id(at),
            "key": "b\x1b",
        }
    ]
    assert document["shards"][log_and_store.shard]["faults"] == {"missing": 1}
    text = list(lines(report))
    assert text[0] == (
        f"missing  'rooms.yard' {to_id(at)}  key 'b\\x1b'  (epoch 0, shard {log_and_store.shard})\n"
    )
    assert "2 events compared" in text[1 + log_and_store.shard]
