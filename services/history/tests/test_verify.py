"""`wait` and `verify` as an operator meets them: when they return, and their exit status."""

import argparse
import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from madang_common.amqp.connection import AmqpConnection
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.log.amqp import AmqpLog
from madang_common.log.opening import open_epoch
from madang_common.log.port import LogUnavailable
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.log.topology import stream_name
from madang_common.settings import CannotStart, Environment
from madang_history import wiring
from madang_history.settings import HistorySettings
from madang_history.store.port import Epoch, StoredEvent
from madang_history.store.sqlite import SqliteMessageStore
from madang_history.verify import command
from madang_history.verify.caught_up import wait_until_stored
from madang_history.verify.verify import verify
from services.history.tests.conftest import SHARDS, an_event
from tests.support.older_logs import no_older_logs

SHARD = shard_of("rooms.yard", SHARDS)


async def test_wait_returns_when_all_that_was_in_the_log_is_stored(
    log: SqliteLog, store: SqliteMessageStore
) -> None:
    await log.append(SHARD, (an_event("a").line(),))
    waiting = asyncio.create_task(wait_until_stored(log, store, seconds=30))
    await asyncio.sleep(0)
    await log.append(SHARD, (an_event("b").line(),))

    await store.store(SHARD, [StoredEvent(0, an_event("a"))], 1)

    await waiting


async def test_wait_gives_up_at_its_deadline(log: SqliteLog, store: SqliteMessageStore) -> None:
    await log.append(SHARD, (an_event("a").line(),))

    with pytest.raises(CannotStart, match=r"after 0\.2 s history has not stored all"):
        await wait_until_stored(log, store, seconds=0.2)


async def test_wait_returns_when_the_epochs_before_are_stored_to_their_end(
    log: SqliteLog, store: SqliteMessageStore, tmp_path: Path
) -> None:
    await log.append(SHARD, (an_event("a").line(),))
    await log.close()
    await store.close()
    later = await SqliteLog.open(tmp_path / "log.db", 1, epoch=1)
    entered = await SqliteMessageStore.open(tmp_path / "store.db", 1, epoch=1)

    with pytest.raises(CannotStart, match="history has not stored all"):
        await wait_until_stored(later, entered, seconds=0.2)
    await entered.store(SHARD, [StoredEvent(0, an_event("a"))], 1)
    await entered.seal(SHARD, 0, lost=False)
    with pytest.raises(CannotStart, match="history has not stored all"):
        await wait_until_stored(later, entered, seconds=0.2)
    await entered.seal(1 - SHARD, 0, lost=False)

    await wait_until_stored(later, entered, seconds=30)
    await later.close()
    await entered.close()


async def test_verify_enters_no_epoch(settings: HistorySettings, tmp_path: Path) -> None:
    older_logs = partial(open_epoch_file, tmp_path / "log.db")
    path = tmp_path / "history" / "messages.db"
    path.parent.mkdir()
    await (await SqliteMessageStore.open(path, SHARDS)).close()
    for epoch in range(2):
        log = await SqliteLog.open(tmp_path / "log.db", SHARDS, epoch=epoch)
        opening = wiring.open_to_verify(settings, log=log, older_logs=older_logs)
        if epoch:
            with pytest.raises(CannotStart, match="nothing in epoch 1 of the log"):
                await opening.__aenter__()
        else:
            async with opening as (_, _, store):
                assert await store.epochs() == [Epoch(0, SHARDS)]
        await log.close()

    await (await SqliteMessageStore.open(path, SHARDS)).close()


async def test_an_epoch_without_its_last_batches_is_verified(
    tmp_path: Path, store: SqliteMessageStore
) -> None:
    path = tmp_path / "old" / "log.db"
    path.parent.mkdir()
    old = await SqliteLog.open(path, SHARDS)
    await old.append(SHARD, (an_event("a").line(),))
    await old.close()
    await store.store(SHARD, [StoredEvent(0, an_event("a"))], 1)
    log = await SqliteLog.open(path, SHARDS, epoch=1)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM batches")  # as retention does

    report = await verify(log, partial(open_epoch_file, path), store)

    await log.close()
    assert report.faults == 0
    assert [shard.events for shard in report.shards] == [0] * (2 * SHARDS)


async def test_a_redacted_event_is_what_the_log_has_only_if_its_message_is_deleted(
    log: SqliteLog, store: SqliteMessageStore
) -> None:
    about = {"message": to_id(0)}
    headers = {"extra": "secret"}
    sent = [
        an_event("1", data={"text": "secret", "meta": {"a": 1}, "type": "note"}, headers=headers),
        an_event("2", kind="message.edited", data=about | {"text": "secret"}),
        an_event("3"),
        an_event("4", kind="message.deleted", data=about),
    ]
    await log.append(SHARD, tuple(event.line() for event in sent))
    entries = [StoredEvent(number, event) for number, event in enumerate(sent)]
    await store.store(SHARD, entries, 1)

    async def faults() -> int:
        report = await verify(log, no_older_logs, store)
        return report.faults

    assert await faults() == 0
    lost = '{"text": "", "redacted": true}'
    store._writer.execute("UPDATE events SET data = ? WHERE position = 2", (lost,))
    assert await faults() == 1


Status = Callable[..., int | str | None]


@pytest.fixture
def status(settings: HistorySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Status:
    """Run `verify` on the embedded files; return its exit status."""
    available = True
    # The command runs in this process, which stays as it is for the next test.
    monkeypatch.setattr("madang_common.logging.configure", lambda settings: None)
    monkeypatch.setattr(os, "umask", lambda mask: mask)

    @asynccontextmanager
    async def open_sources(_: HistorySettings) -> AsyncIterator[command.Sources]:
        if not available:
            raise LogUnavailable("no node answers")
        log = await SqliteLog.open(tmp_path / "log.db", SHARDS)
        store = await SqliteMessageStore.open(tmp_path / "store.db", SHARDS)
        try:
            yield log, partial(open_epoch_file, tmp_path / "log.db"), store
        finally:
            await store.close()
            await log.close()

    def run(*arguments: str, is_available: bool = True) -> int | str | None:
        nonlocal available
        available = is_available
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        try:
            command.run("history", lambda: settings, open_sources, parser.parse_args(arguments))
        except SystemExit as ended:
            return ended.code
        return 0

    return run


async def fill(folder: Path, *kept: int) -> None:
    """Write three messages into the log, and those at `kept` into the store."""
    log = await SqliteLog.open(folder / "log.db", SHARDS)
    store = await SqliteMessageStore.open(folder / "store.db", SHARDS)
    events = [an_event(f"key {number}") for number in range(3)]
    await log.append(SHARD, tuple(event.line() for event in events))
    await store.store(SHARD, [StoredEvent(position(0, n), events[n]) for n in kept], 1)
    await store.close()
    await log.close()


@pytest.mark.parametrize(("kept", "expected"), [((0, 1, 2), 0), ((0, 2), 1)])
def test_the_exit_status_tells_whether_there_are_faults(
    status: Status, tmp_path: Path, kept: tuple[int, ...], expected: int
) -> None:
    asyncio.run(fill(tmp_path, *kept))

    assert status("verify") == expected
    assert status("verify", "--json") == expected
    assert status("verify", "--room", "yard") == expected


def test_a_room_that_nobody_knows_is_an_error(
    status: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(tmp_path, 0, 1, 2))

    assert status("verify", "--room", "Yard") == 2
    assert capsys.readouterr() == (
        "",
        "history verify: neither the store nor the log has an event of room 'Yard'\n",
    )


def test_an_error_has_a_status_of_its_own(
    status: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("verify", is_available=False) == 2
    assert capsys.readouterr() == ("", "history verify: no node answers\n")


@pytest.mark.parametrize(("kept", "faults"), [((0, 1, 2), 0), ((0, 2), 1), ((), 3)])
def test_the_last_line_is_the_number_of_all_faults(
    status: Status,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kept: tuple[int, ...],
    faults: int,
) -> None:
    asyncio.run(fill(tmp_path, *kept))

    status("verify", "--most", "1")

    assert capsys.readouterr().out.splitlines()[-1] == f"faults: {faults}"


@pytest.mark.parametrize("most", ["-1", "many", "1.5", "²"])
def test_the_number_of_listed_faults_is_not_negative(
    status: Status, capsys: pytest.CaptureFixture[str], most: str
) -> None:
    assert status("verify", "--most", most) == 2
    assert f"--most: {most}: give a whole number from 0 to" in capsys.readouterr().err


def test_no_fault_is_listed_if_none_is_wanted(
    status: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(tmp_path))

    assert status("verify", "--most", "0") == 1
    assert "… and 3 more\n" in capsys.readouterr().out


async def test_what_is_left_of_an_earlier_epoch_is_verified(
    rabbitmq_vhost_url: str, store: SqliteMessageStore, tmp_path: Path
) -> None:
    endpoint = AmqpEndpoint.at(rabbitmq_vhost_url)
    log = await AmqpLog.open(endpoint, SHARDS)
    for shard in range(SHARDS):
        await log.append(shard, (b"no event",))
        await store.store(shard, [], 1)
    await log.close()
    await store.close()
    connection = AmqpConnection(endpoint, "operator")
    channel = await connection.channel()
    await channel.queue_delete(stream_name(0))
    await connection.close()
    log = await AmqpLog.open(endpoint, SHARDS, epoch=1)
    entered = await SqliteMessageStore.open(tmp_path / "store.db", SHARDS, epoch=1)
    settings = HistorySettings(environment=Environment.DEVELOPMENT, amqp_url=rabbitmq_vhost_url)
    older_logs = partial(open_epoch, settings, service="test")

    report = await verify(log, older_logs, entered)

    assert [(shard.epoch, shard.is_lost, shard.dead_letters) for shard in report.shards] == [
        (0, True, 0),
        (0, False, 1),
        (1, False, 0),
        (1, False, 0),
    ]
    assert "epoch 0 shard 0: not compared, its log does not exist\n" in command.lines(report)
    await log.close()
    await entered.close()
