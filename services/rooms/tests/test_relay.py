import asyncio
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from madang_common.log.port import Batch, Log
from madang_common.log.position import shard_of
from madang_rooms.wiring import FILE
from services.rooms.tests.flaky_log import FlakyLog
from services.rooms.tests.harness import (
    SHARDS,
    Harness,
    Json,
    Person,
    embedded_log,
    events_of,
    read,
    running,
)

WAITING = "madang_rooms_outbox_waiting_rows"
OLDEST = "madang_rooms_outbox_oldest_seconds"
QUICK = {"outbox_append_seconds": 0.1, "outbox_stop_seconds": 0.1, "outbox_poll_seconds": 0.05}


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[FlakyLog]:
    async with embedded_log(tmp_path) as real:
        yield FlakyLog(real)


def waiting_lines(folder: Path) -> int:
    with sqlite3.connect(folder / FILE) as db:
        (rows,) = db.execute("SELECT count(*) FROM outbox").fetchone()
    db.close()
    return int(rows)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():  # noqa: ASYNC110 - what is asked has no event to wait for
        await asyncio.sleep(0.01)


async def until_empty(folder: Path) -> None:
    async def empty() -> bool:
        return waiting_lines(folder) == 0

    await until(empty)


async def first_batches(log: Log, shard: int, end: int) -> AsyncIterator[Batch]:
    """Yield all that `shard` holds before `end`."""
    async for batch in log.follow(shard, "first"):
        yield batch
        if batch.offset + 1 >= end:
            return


async def rename(person: Person, room: str, names: Sequence[str]) -> None:
    for name in names:
        read(await person.ask("PATCH", f"/rooms/{room}", {"name": name}), 200)


def names_of(events: Sequence[Json]) -> list[str]:
    return [event["data"]["name"] for event in events if event["kind"] == "room.updated"]


async def test_a_commit_wakes_the_relay(tmp_path: Path, log: FlakyLog) -> None:
    async with running(tmp_path, log, outbox_poll_seconds=3600) as harness:
        nari = await harness.person("nari")

        room = await nari.make_room()

        assert len(await events_of(log, f"rooms.{room}", "member.joined")) == 2


async def test_rows_are_found_without_being_woken(tmp_path: Path, log: FlakyLog) -> None:
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        line = b'{"kind": "by hand", "user": "%s"}' % nari.id.encode()
        audience = f"users.{nari.id}"

        with sqlite3.connect(tmp_path / FILE) as db:
            row = (audience, line, 0)
            db.execute("INSERT INTO outbox (audience, line, created_at_ms) VALUES (?, ?, ?)", row)
        db.close()

        assert len(await events_of(log, audience, "by hand")) == 1


async def test_what_the_log_does_not_take_waits_and_goes_later_in_order(
    tmp_path: Path, log: FlakyLog
) -> None:
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room(name="0")
        await until_empty(tmp_path)
        log.away = set(range(SHARDS))

        await rename(nari, room, ["1", "2"])
        log.tried.clear()
        await log.tried.wait()
        await rename(nari, room, ["3", "4"])
        waiting = await harness.metric(WAITING)
        log.away = set()

        told = await events_of(log, f"rooms.{room}", "room.updated", times=4)
        assert names_of(told) == ["1", "2", "3", "4"]
        assert waiting == 4
        await until_empty(tmp_path)


async def test_a_removal_is_answered_once_it_is_in_the_log(tmp_path: Path, log: FlakyLog) -> None:
    async with running(tmp_path, log, **QUICK, outbox_answer_seconds=30) as harness:
        nari, bora = await harness.person("nari"), await harness.person("bora")
        room = await nari.make_room()
        await nari.bring(room, bora)
        await until_empty(tmp_path)
        log.away = set(range(SHARDS))

        removing = asyncio.create_task(nari.ask("DELETE", f"/rooms/{room}/members/{bora.id}"))
        log.tried.clear()
        await log.tried.wait()
        early = removing.done()
        log.away = set()
        read(await removing, 204)

        shard = shard_of(f"rooms.{room}", SHARDS)
        end = await log.end(shard)
        batches = [batch async for batch in first_batches(log, shard, end)]
        assert not early
        assert sum(b'"member.removed"' in line for batch in batches for line in batch.lines) == 1


async def test_a_removal_is_answered_though_the_log_is_away(tmp_path: Path, log: FlakyLog) -> None:
    async with running(tmp_path, log, **QUICK, outbox_answer_seconds=0.05) as harness:
        nari, bora = await harness.person("nari"), await harness.person("bora")
        room = await nari.make_room()
        await nari.bring(room, bora)
        log.away = set(range(SHARDS))

        removed = await nari.ask("DELETE", f"/rooms/{room}/members/{bora.id}")

        assert removed.status_code == 204
        assert [
            member["user"]["id"] for member in (await nari.get(f"/rooms/{room}/members"))["items"]
        ] == [nari.id]


async def test_one_shard_that_is_away_does_not_hold_the_others(
    tmp_path: Path, log: FlakyLog
) -> None:
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        rooms = dict[int, str]()
        while len(rooms) < SHARDS:
            room = await nari.make_room()
            rooms[shard_of(f"rooms.{room}", SHARDS)] = room
        await until_empty(tmp_path)
        log.away = {0}

        await rename(nari, rooms[0], ["a", "b"])
        await rename(nari, rooms[1], ["a", "b"])
        reached = await events_of(log, f"rooms.{rooms[1]}", "room.updated", times=2)
        left = waiting_lines(tmp_path)
        log.away = set()
        late = await events_of(log, f"rooms.{rooms[0]}", "room.updated", times=2)

        assert names_of(reached) == names_of(late) == ["a", "b"]
        assert left >= 2


async def test_a_lost_confirm_gives_a_second_event_with_the_same_key(
    tmp_path: Path, log: FlakyLog
) -> None:
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room()
        await until_empty(tmp_path)
        log.confirms_to_lose = 1

        await rename(nari, room, ["new"])

        told = await events_of(log, f"rooms.{room}", "room.updated", times=2)
        assert told[-1] == told[-2]
        await until_empty(tmp_path)


async def test_what_waited_at_the_stop_goes_first_after_the_start(
    tmp_path: Path, log: FlakyLog
) -> None:
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room()
        await until_empty(tmp_path)
        log.away = set(range(SHARDS))
        await rename(nari, room, ["1", "2"])

    log.away = set()
    async with running(tmp_path, log, **QUICK) as harness:
        again = Person(harness.client, nari.id, "nari", "nari", _token(harness, nari))
        await rename(again, room, ["3"])
        told = await events_of(log, f"rooms.{room}", "room.updated", times=3)

    assert list(dict.fromkeys(names_of(told))) == ["1", "2", "3"]


def _token(harness: Harness, person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {harness.issuer.token(person.id)}"}


async def test_killed_before_forgetting_a_row_it_is_appended_again_with_its_key(
    tmp_path: Path,
) -> None:
    module = "services.rooms.tests.crash_after_append"
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", module, str(tmp_path))
    assert await child.wait() == -signal.SIGKILL
    assert waiting_lines(tmp_path) == 3

    async with embedded_log(tmp_path) as log, running(tmp_path, log):
        await until_empty(tmp_path)
        lines = [line for shard in range(SHARDS) for line in await stored_lines(log, shard)]

    assert len(set(lines)) == 3
    assert max(Counter(lines).values()) == 2


async def stored_lines(log: Log, shard: int) -> list[bytes]:
    found: list[bytes] = []
    followed = log.follow(shard, 0)
    for _ in range(await log.end(shard)):
        found += (await anext(followed)).lines
    await followed.aclose()
    return found


async def test_a_refused_change_tells_nobody(tmp_path: Path, log: FlakyLog) -> None:
    log.away = set(range(SHARDS))
    async with running(tmp_path, log, **QUICK) as harness:
        nari, dae = await harness.person("nari"), await harness.person("dae")
        room = await nari.make_room()
        before = waiting_lines(tmp_path)

        read(await dae.ask("PATCH", f"/rooms/{room}", {"name": "x"}), 403)
        read(await nari.ask("POST", "/rooms", {"name": "", "visibility": "public"}), 422)

        assert waiting_lines(tmp_path) == before == 3


async def test_a_long_queue_goes_in_order_whatever_the_chunk(tmp_path: Path, log: FlakyLog) -> None:
    log.away = set(range(SHARDS))
    async with running(tmp_path, log, outbox_chunk_rows=7, **QUICK) as harness:
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

        log.away = set()
        for index, room in enumerate(rooms):
            told = await events_of(log, f"rooms.{room}", "n", times=100)
            found = [event["n"] for event in told if event["kind"] == "n"]
            assert found == list(range(index, 300, 3))
        await until_empty(tmp_path)


async def test_the_outbox_is_measured(tmp_path: Path, log: FlakyLog) -> None:
    log.away = set(range(SHARDS))
    async with running(tmp_path, log, **QUICK) as harness:
        nari = await harness.person("nari")
        await nari.make_room()
        failed = 'madang_rooms_relay_appends_total{result="failed"}'

        async def given_up() -> bool:
            return await harness.metric(failed) >= 3

        await until(given_up)
        harness.clock.now += 30
        rows, oldest = await harness.metric(WAITING), await harness.metric(OLDEST)
        log.away = set()

        async def caught_up() -> bool:
            return await harness.metric(OLDEST) == 0

        await until(caught_up)
        assert (rows, oldest) == (3, 30)
        assert await harness.metric(WAITING) == 0
        assert await harness.metric('madang_rooms_relay_appends_total{result="confirmed"}') == 3
        for kind in ("room.created", "member.joined", "membership.added"):
            assert await harness.metric(f'madang_rooms_changes_total{{kind="{kind}"}}') == 1
