"""`compare` and `--repair`: in this process on each database, and as the commands."""

import asyncio
import json
import os
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.clock import rfc3339
from madang_common.events.envelope import Event, read_line
from madang_common.events.kinds import MemberLeft, document
from madang_common.log.amqp import AmqpLog
from madang_common.log.port import Log
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.settings import CannotStart
from madang_rooms import wiring
from madang_rooms.recovery.command import lines, to_json
from madang_rooms.recovery.differences import Difference, Lost, Part
from madang_rooms.recovery.recovery import Report
from madang_rooms.settings import RoomsSettings
from madang_standalone.data_folder import lock_folder
from services.rooms.tests.harness import (
    EPOCH,
    SHARDS,
    Harness,
    Person,
    embedded_log,
    events_of,
    read,
    running,
    settings_for,
    stored_lines,
    until_outbox_empty,
)
from stack import launching
from tests.support.databases import MySqlPlace

NO_DIFFERENCE, DIFFERENT, FAILED = 0, 1, 2
COMMAND_SECONDS = 60


async def compare(
    settings: RoomsSettings, log: Log, *, repair: bool = False, since_epoch: int | None = None
) -> Report:
    older_logs = partial(open_epoch_file, settings.data_dir / "log.sqlite")
    async with wiring.open_recovery(
        settings, log=log, older_logs=older_logs, clock=lambda: EPOCH
    ) as recovery:
        return await recovery.run(repair=repair, since_epoch=since_epoch)


def parts(report: Report) -> list[tuple[Part, str | None]]:
    return [(difference.part, difference.subject) for difference in report.differences]


async def tell(log: Log, room: str, *events: Event) -> None:
    shard = shard_of(f"rooms.{room}", log.shards)
    await log.append(shard, tuple(event.line() for event in events))


def left(room: str, person: Person) -> Event:
    data = document(MemberLeft(user=person.id, name=person.display_name))
    return Event("left", "member.left", person.id, "x", rfc3339(EPOCH + 1), data, room=room)


async def test_a_serving_replica_is_neither_disturbed_nor_undone(
    tmp_path: Path, on_mariadb: MySqlPlace
) -> None:
    await on_mariadb.empty()
    settings = settings_for(tmp_path, database_url=on_mariadb.url)
    async with (
        embedded_log(tmp_path) as log,
        running(tmp_path, log, database_url=on_mariadb.url) as harness,
    ):
        nari, dae = await harness.person("nari"), await harness.person("dae")
        rooms = [await nari.make_room("public") for _ in range(5)]

        async def change() -> None:
            for room in rooms:
                read(await dae.request("POST", f"/rooms/{room}/join"), 200)
                read(await nari.request("DELETE", f"/rooms/{room}/members/{dae.id}"), 204)

        async def repair() -> list[Report]:
            return [await compare(settings, log, repair=True) for _ in range(5)]

        reports, _ = await asyncio.gather(repair(), change())

        assert [report.differences for report in reports] == [[]] * 5
        assert (await compare(settings, log)).differences == []


async def test_accounts_newer_than_the_copy_are_lost_and_their_rooms_get_an_owner(
    tmp_path: Path,
) -> None:
    database, copy = tmp_path / wiring.FILE, tmp_path / "copy.db"
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            dae = await harness.person("dae")
        shutil.copyfile(database, copy)
        async with running(tmp_path, log) as harness:
            nari = await harness.person("nari")
            room, alone = await nari.make_room("public"), await nari.make_room()
            read(await dae_of(harness, dae).request("POST", f"/rooms/{room}/join"), 200)
            await until_outbox_empty(tmp_path)
        shutil.copyfile(copy, database)

        repaired = await compare(settings_for(tmp_path), log, repair=True)
        again = await compare(settings_for(tmp_path), log)

        assert parts(repaired) == [
            (Part.ROOM, None),
            (Part.MEMBER, dae.id),
            (Part.MEMBER_COUNT, None),
        ]
        assert {(one.room, one.part, one.subject) for one in repaired.lost} == {
            (room, Part.MEMBER, nari.id),
            (alone, Part.ROOM, None),
        }
        assert again.differences == []
        async with running(tmp_path, log) as harness:
            view = await dae_of(harness, dae).get(f"/rooms/{room}")
            assert (view["role"], view["members"], view["created_by"]) == ("owner", 1, dae.id)
            # Only the new owner is news.
            events = await events_of(log, f"rooms.{room}", "member.role_changed")
            assert [event["kind"] for event in events] == [
                "room.created",
                "member.joined",
                "member.joined",
                "member.role_changed",
            ]


def dae_of(harness: Harness, person: Person) -> Person:
    """Return `person` as a client of another start of the service."""
    headers = {"Authorization": f"Bearer {harness.issuer.token(person.id)}"}
    return Person(harness.client, person.id, person.username, person.display_name, headers)


async def test_events_of_the_copy_that_the_log_has_are_not_published_again(tmp_path: Path) -> None:
    database, copy = tmp_path / wiring.FILE, tmp_path / "copy.db"
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            nari = await harness.person("nari")
            room = await nari.make_room()
            await until_outbox_empty(tmp_path)
        shutil.copyfile(database, copy)
        line = (await stored_lines(log, shard_of(f"rooms.{room}", SHARDS)))[0]
        put_into_outbox(copy, line)
        shutil.copyfile(copy, database)
        ends = [await log.end(shard) for shard in range(SHARDS)]

        found = await compare(settings_for(tmp_path), log)
        await compare(settings_for(tmp_path), log, repair=True)
        again = await compare(settings_for(tmp_path), log)
        async with running(tmp_path, log):
            await until_outbox_empty(tmp_path)

        assert parts(found) == [(Part.OUTBOX, read_line(line).key)]
        assert again.differences == []
        assert [await log.end(shard) for shard in range(SHARDS)] == ends


def put_into_outbox(database: Path, line: bytes) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute(
            "INSERT INTO outbox (audience, line, created_at_ms) VALUES (?, ?, 1)",
            (read_line(line).audience, line),
        )


async def test_what_the_log_does_not_mention_is_counted(tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as harness:
        nari, dae = await harness.person("nari"), await harness.person("dae")
        room, _ = await nari.make_room("public"), await nari.make_room()
        read(await dae.request("POST", f"/rooms/{room}/join"), 200)
        await until_outbox_empty(tmp_path)
    # The log of a time long after: retention dropped all that was said before.
    async with embedded_log(tmp_path / "later") as log:
        await tell(log, room, left(room, dae))

        report = await compare(settings_for(tmp_path), log)

    assert parts(report) == [(Part.MEMBER, dae.id), (Part.MEMBER_COUNT, None)]
    assert (report.unmentioned_rooms, report.unmentioned_members) == (1, 1)


async def test_an_invite_newer_than_the_copy_is_reported(tmp_path: Path) -> None:
    database, copy = tmp_path / wiring.FILE, tmp_path / "copy.db"
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            nari, dae = await harness.person("nari"), await harness.person("dae")
            room = await nari.make_room()
            await until_outbox_empty(tmp_path)
        shutil.copyfile(database, copy)
        async with running(tmp_path, log) as harness:
            await dae_of(harness, nari).invite(room, user=dae.id)
            await until_outbox_empty(tmp_path)
        shutil.copyfile(copy, database)

        report = await compare(settings_for(tmp_path), log)

    assert report.differences == []
    assert [(one.room, one.part, one.subject) for one in report.lost] == [
        (room, Part.INVITE, dae.id)
    ]


async def test_earlier_epochs_are_read_if_wanted(tmp_path: Path) -> None:
    database, copy = tmp_path / wiring.FILE, tmp_path / "copy.db"
    async with embedded_log(tmp_path) as log:
        async with running(tmp_path, log) as harness:
            nari, dae = await harness.person("nari"), await harness.person("dae")
            room = await nari.make_room("public")
            await until_outbox_empty(tmp_path)
        shutil.copyfile(database, copy)
        async with running(tmp_path, log) as harness:
            read(await dae_of(harness, dae).request("POST", f"/rooms/{room}/join"), 200)
            await until_outbox_empty(tmp_path)
    shutil.copyfile(copy, database)
    later = await SqliteLog.open(tmp_path / "log.sqlite", SHARDS + 1, epoch=1)
    await tell(later, room, left(room, nari))

    current = await compare(settings_for(tmp_path), later)
    since = await compare(settings_for(tmp_path), later, since_epoch=0)
    await later.close()

    assert parts(current) == [(Part.MEMBER, nari.id), (Part.MEMBER_COUNT, None)]
    assert sorted(parts(since)) == sorted([(Part.MEMBER, nari.id), (Part.MEMBER, dae.id)])


async def test_an_earlier_epoch_without_its_last_batches_is_read(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as harness:
        await (await harness.person("nari")).make_room()
        await until_outbox_empty(tmp_path)
    later = await SqliteLog.open(tmp_path / "log.sqlite", SHARDS, epoch=1)
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as db, db:
        db.execute("DELETE FROM batches")  # as retention does

    report = await compare(settings_for(tmp_path), later, since_epoch=0)

    await later.close()
    assert (report.events, report.differences) == (0, [])


async def test_a_later_epoch_than_the_current_one_is_refused(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log, running(tmp_path, log):
        with pytest.raises(CannotStart, match="--since-epoch 1: the log is in epoch 0"):
            await compare(settings_for(tmp_path), log, since_epoch=1)


async def command(program: str, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run a program's `compare`; return its exit status and output."""
    env = os.environ | {f"MADANG_{name.upper()}": text for name, text in settings.items()}
    compare = partial(
        launching.run, program, "compare", *arguments, env=env, seconds=COMMAND_SECONDS
    )
    ended = await asyncio.to_thread(compare)
    return ended.status, ended.out, ended.errors


async def test_the_command_compares_and_repairs_on_the_servers(
    tmp_path: Path, on_mariadb: MySqlPlace, rabbitmq_vhost_url: str
) -> None:
    await on_mariadb.empty()
    servers = {"database_url": on_mariadb.url, "amqp_url": rabbitmq_vhost_url}
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)
    async with running(tmp_path, log, database_url=on_mariadb.url) as harness:
        nari, dae = await harness.person("nari"), await harness.person("dae")
        room = await nari.make_room("public")
        read(await dae.request("POST", f"/rooms/{room}/join"), 200)
        await events_of(log, f"rooms.{room}", "member.joined", times=2)
    try:
        agreed = await command("madang_rooms", **servers)
        await tell(log, room, left(room, dae))
        differ = await command("madang_rooms", **servers)
        repaired = await command("madang_rooms", "--repair", "--json", **servers)
        again = await command("madang_rooms", "--json", **servers)
    finally:
        await log.close()

    assert agreed[0] == NO_DIFFERENCE, agreed
    assert agreed[1].endswith("differences: 0; lost: 0\n")
    assert differ[0] == DIFFERENT, differ
    assert f"{room}  member {dae.id}: log -, database 'member'\n" in differ[1]
    assert differ[1].endswith("differences: 2; lost: 0\n")
    assert repaired[0] == NO_DIFFERENCE, repaired
    report = json.loads(repaired[1])
    assert report["repaired"]
    assert report["differences"] == [
        {"room": room, "part": "member", "subject": dae.id, "stored": "member", "log": None},
        {"room": room, "part": "member_count", "subject": None, "stored": 2, "log": 1},
    ]
    assert again[0] == NO_DIFFERENCE
    assert json.loads(again[1])["differences"] == []


async def test_the_command_of_the_one_process_form_needs_it_to_be_stopped(tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log, running(tmp_path, log) as harness:
        nari = await harness.person("nari")
        room = await nari.make_room()
        await until_outbox_empty(tmp_path)
    (tmp_path / "log.sqlite").rename(tmp_path / "log.db")
    data = {"data_dir": str(tmp_path), "log_shards": str(SHARDS)}

    stopped = await command("madang_standalone", "--json", **data)

    with lock_folder(tmp_path):
        serving = await command("madang_standalone", **data)
    empty = await command("madang_standalone", data_dir=str(tmp_path / "none"))

    assert stopped[0] == NO_DIFFERENCE, stopped
    assert json.loads(stopped[1])["events"] > 0, room
    assert (serving[0], serving[1]) == (FAILED, "")
    assert f"is in use by process {os.getpid()}" in serving[2]
    assert empty[0] == FAILED
    assert "there is no database of rooms" in empty[2]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "MADANG_AMQP_URL or MADANG_AMQP_HOSTS must be set"),
        ({"amqp_url": "nonsense"}, "MADANG_AMQP_URL is invalid"),
    ],
)
async def test_an_error_has_a_status_of_its_own(
    mariadb_url: str, settings: dict[str, str], reason: str
) -> None:
    status, stdout, stderr = await command("madang_rooms", database_url=mariadb_url, **settings)

    assert (status, stdout) == (FAILED, "")
    assert reason in stderr
    assert "Traceback" not in stderr


def test_a_report_for_people_names_each_finding() -> None:
    report = Report(
        events=7,
        differences=[Difference("yard", Part.NAME, None, "old\x1b[2J", "new")],
        lost=[Lost("yard", Part.MEMBER, "bo", "there is no user 'Bo'")],
        is_repaired=True,
        unmentioned_rooms=3,
        unmentioned_members=2,
        invalid_events=1,
    )

    assert "".join(lines(report)).splitlines() == [
        "yard  name: log 'new', database 'old\\x1b[2J'",
        "yard  member bo: lost: there is no user 'Bo'",
        "7 events of rooms in the log, 1 of them unreadable",
        "left alone, because the log does not mention them: 3 rooms, 2 members of other rooms",
        "differences: 1 (repaired); lost: 1",
    ]
    assert json.loads(to_json(report))["unmentioned"] == {"rooms": 3, "members": 2}


async def test_the_command_begins_no_epoch(
    tmp_path: Path, on_mariadb: MySqlPlace, rabbitmq_vhost_url: str
) -> None:
    await on_mariadb.empty()
    log = await AmqpLog.open(AmqpEndpoint.at(rabbitmq_vhost_url), SHARDS)

    status, _, errors = await command(
        "madang_rooms",
        database_url=on_mariadb.url,
        amqp_url=rabbitmq_vhost_url,
        log_epoch="1",
        log_shards=str(SHARDS),
    )

    assert status == FAILED
    assert "RabbitMQ has no log in epoch 1" in errors
    await log.append(0, (b"a",))
    await log.close()
