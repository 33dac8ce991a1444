import asyncio
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from madang_common.log import guard, verification
from madang_common.log.port import LogEnded, LogError, LogLost
from madang_common.log.position import shard_of
from madang_common.settings import CannotStart
from madang_rooms.wiring import FILE
from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import (
    QUICK_OUTBOX,
    SHARDS,
    Harness,
    Json,
    Person,
    embedded_log,
    events_of,
    read,
    running,
    stored_lines,
    until,
    until_outbox_empty,
    waiting_rows,
)

WAITING = "madang_rooms_outbox_waiting_rows"
FAILED = 'madang_rooms_relay_appends_total{result="failed"}'
OLDEST = "madang_rooms_outbox_oldest_seconds"


async def rename(person: Person, room: str, names: Sequence[str]) -> None:
    for name in names:
        read(await person.request("PATCH", f"/rooms/{room}", {"name": name}), 200)


def names_of(events: Sequence[Json]) -> list[str]:
    return [event["data"]["name"] for event in events if event["kind"] == "room.updated"]


async def test_a_commit_wakes_the_relay(tmp_path: Path, flaky_log: FlakyLog) -> None:
    async with running(tmp_path, flaky_log, outbox_poll_seconds=3600) as harness:
        nari = await harness.person("nari")

        room = await nari.make_room()

        assert len(await events_of(flaky_log, f"rooms.{room}", "member.joined")) == 2


async def test_the_outbox_is_polled(tmp_path: Path, flaky_log: FlakyLog) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        line = b'{"kind": "by hand", "user": "%s"}' % nari.id.encode()
        audience = f"users.{nari.id}"

        with sqlite3.connect(tmp_path / FILE) as db:
            row = (audience, line, 0)
            db.execute("INSERT INTO outbox (audience, line, created_at_ms) VALUES (?, ?, ?)", row)
        db.close()

        assert len(await events_of(flaky_log, audience, "by hand")) == 1


async def test_rows_wait_for_the_log_and_are_published_in_order(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room(name="0")
        await until_outbox_empty(tmp_path)
        flaky_log.unavailable = set(range(SHARDS))

        await rename(nari, room, ["1", "2"])
        flaky_log.tried.clear()
        await flaky_log.tried.wait()
        await rename(nari, room, ["3", "4"])
        waiting = await harness.metric(WAITING)
        flaky_log.unavailable = set()

        events = await events_of(flaky_log, f"rooms.{room}", "room.updated", times=4)
        assert names_of(events) == ["1", "2", "3", "4"]
        assert waiting == 4
        await until_outbox_empty(tmp_path)


async def test_an_unavailable_shard_does_not_block_the_others(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        rooms = dict[int, str]()
        while len(rooms) < SHARDS:
            room = await nari.make_room()
            rooms[shard_of(f"rooms.{room}", SHARDS)] = room
        await until_outbox_empty(tmp_path)
        flaky_log.unavailable = {0}

        await rename(nari, rooms[0], ["a", "b"])
        await rename(nari, rooms[1], ["a", "b"])
        reached = await events_of(flaky_log, f"rooms.{rooms[1]}", "room.updated", times=2)
        left = waiting_rows(tmp_path)
        flaky_log.unavailable = set()
        late = await events_of(flaky_log, f"rooms.{rooms[0]}", "room.updated", times=2)

        assert names_of(reached) == names_of(late) == ["a", "b"]
        assert left >= 2


async def test_a_lost_confirm_repeats_the_event_with_the_same_key(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room()
        await until_outbox_empty(tmp_path)
        flaky_log.confirms_to_lose = 1

        await rename(nari, room, ["new"])

        events = await events_of(flaky_log, f"rooms.{room}", "room.updated", times=2)
        assert events[-1] == events[-2]
        await until_outbox_empty(tmp_path)


async def test_rows_left_at_the_stop_are_published_first_after_the_start(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room()
        await until_outbox_empty(tmp_path)
        flaky_log.unavailable = set(range(SHARDS))
        await rename(nari, room, ["1", "2"])

    flaky_log.unavailable = set()
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        again = Person(harness.client, nari.id, "nari", "nari", _token(harness, nari))
        await rename(again, room, ["3"])
        events = await events_of(flaky_log, f"rooms.{room}", "room.updated", times=3)

    assert list(dict.fromkeys(names_of(events))) == ["1", "2", "3"]


def _token(harness: Harness, person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {harness.issuer.token(person.id)}"}


async def test_after_a_kill_before_the_delete_rows_are_appended_again_with_their_keys(
    tmp_path: Path,
) -> None:
    module = "services.rooms.tests.crash_after_append"
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, str(tmp_path))
    assert await child.wait() == -signal.SIGKILL
    assert waiting_rows(tmp_path) == 3

    async with embedded_log(tmp_path) as log, running(tmp_path, log):
        await until_outbox_empty(tmp_path)
        lines = [line for shard in range(SHARDS) for line in await stored_lines(log, shard)]

    assert len(set(lines)) == 3
    assert max(Counter(lines).values()) == 2


async def test_a_refused_change_adds_no_event(tmp_path: Path, flaky_log: FlakyLog) -> None:
    flaky_log.unavailable = set(range(SHARDS))
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari, dae = await harness.person("nari"), await harness.person("dae")
        room = await nari.make_room()
        before = waiting_rows(tmp_path)

        read(await dae.request("PATCH", f"/rooms/{room}", {"name": "x"}), 403)
        read(await nari.request("POST", "/rooms", {"name": "", "visibility": "public"}), 422)

        assert waiting_rows(tmp_path) == before == 3


async def test_a_long_outbox_is_published_in_order_in_any_chunk_size(
    tmp_path: Path, flaky_log: FlakyLog
) -> None:
    flaky_log.unavailable = set(range(SHARDS))
    async with running(tmp_path, flaky_log, outbox_chunk_rows=7, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        rooms = [await nari.make_room() for _ in range(3)]
        with sqlite3.connect(tmp_path / FILE) as db:
            db.executemany(
                "INSERT INTO outbox (audience, line, created_at_ms) VALUES (?, ?, 0)",
                [
                    (
                        f"rooms.{rooms[number % 3]}",
                        b'{"kind": "n", "room": "%s", "n": %d}'
                        % (rooms[number % 3].encode(), number),
                    )
                    for number in range(300)
                ],
            )
        db.close()

        flaky_log.unavailable = set()
        for index, room in enumerate(rooms):
            events = await events_of(flaky_log, f"rooms.{room}", "n", times=100)
            found = [event["n"] for event in events if event["kind"] == "n"]
            assert found == list(range(index, 300, 3))
        await until_outbox_empty(tmp_path)


async def test_the_metrics_show_the_outbox(tmp_path: Path, flaky_log: FlakyLog) -> None:
    flaky_log.unavailable = set(range(SHARDS))
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        await nari.make_room()
        failed = 'madang_rooms_relay_appends_total{result="failed"}'

        async def given_up() -> bool:
            return await harness.metric(failed) >= 3

        await until(given_up)
        harness.clock.now += 30
        rows, oldest = await harness.metric(WAITING), await harness.metric(OLDEST)
        flaky_log.unavailable = set()

        async def caught_up() -> bool:
            return await harness.metric(OLDEST) == 0

        await until(caught_up)
        assert (rows, oldest) == (3, 30)
        assert await harness.metric(WAITING) == 0
        assert await harness.metric('madang_rooms_relay_appends_total{result="confirmed"}') == 3
        for kind in ("room.created", "member.joined", "membership.added"):
            assert await harness.metric(f'madang_rooms_changes_total{{kind="{kind}"}}') == 1


async def reaches(harness: Harness, failures: float) -> bool:
    """Return whether so many rows were refused by the log."""
    return await harness.metric(FAILED) >= failures


@pytest.mark.parametrize("failure", [LogLost("no stream"), LogEnded("the epoch has ended")])
async def test_rows_wait_while_the_log_must_not_be_used(
    tmp_path: Path, flaky_log: FlakyLog, failure: LogError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_CHECK_SECONDS", 0.05)
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room(name="0")
        await until_outbox_empty(tmp_path)
        flaky_log.failure = failure
        flaky_log.appends = 0
        with capture_logs() as entries:
            await rename(nari, room, ["1", "2", "3"])
            failed = await harness.metric(FAILED)
            await until(lambda: reaches(harness, failed + 10))

            assert waiting_rows(tmp_path) == await harness.metric(WAITING) == 3
            assert flaky_log.appends == 1
            kind = "lost" if isinstance(failure, LogLost) else "ended"
            assert await harness.metric(f'madang_log_{kind}{{service="rooms"}}') == 1
            answer = await harness.client.get("/health/ready")
            assert answer.json()["dependencies"]["log"] == type(failure).__name__
            assert answer.status_code == 200
            said = [entry["event"] for entry in entries if entry["log_level"] == "error"]
            assert said == [f"log_{kind}"]
            assert "outbox_rows_failed" not in {entry["event"] for entry in entries}

        flaky_log.failure = None
        if isinstance(failure, LogLost):
            await until_outbox_empty(tmp_path)
            assert await harness.metric('madang_log_lost{service="rooms"}') == 0

    # A process in the next epoch publishes what is left.
    async with running(tmp_path, flaky_log, **QUICK_OUTBOX):
        events = await events_of(flaky_log, f"rooms.{room}", "room.updated", times=3)
    assert names_of(events) == ["1", "2", "3"]


async def test_rows_wait_until_history_has_confirmed_the_log(
    tmp_path: Path, flaky_log: FlakyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_FIRST_PAUSE_SECONDS", 0.01)
    stored: list[tuple[int, int]] = []
    async with running(tmp_path, flaky_log, stored_log=stored, **QUICK_OUTBOX) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room(name="0")
        await until(lambda: reaches(harness, 1))
        assert flaky_log.appends == 0
        assert await harness.metric('madang_log_verified{service="rooms"}') == 0

        stored.append((flaky_log.epoch, SHARDS))

        await until_outbox_empty(tmp_path)
        assert await harness.metric('madang_log_verified{service="rooms"}') == 1
        assert len(await events_of(flaky_log, f"rooms.{room}", "member.joined")) == 2


@pytest.mark.parametrize(
    ("stored", "told"),
    [((1, SHARDS), "MADANG_LOG_EPOCH=1"), ((0, SHARDS + 1), "MADANG_LOG_SHARDS")],
)
async def test_rooms_does_not_start_on_another_log_than_history(
    tmp_path: Path, flaky_log: FlakyLog, stored: tuple[int, int], told: str
) -> None:
    with pytest.raises(CannotStart, match=told):
        async with running(tmp_path, flaky_log, stored_log=[stored]):
            raise AssertionError("it started")
