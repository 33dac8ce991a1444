"""Ingest across epochs of the log, on the embedded adapters."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from typing_extensions import override

from madang_common.events.envelope import Event
from madang_common.log.port import Log, LogEnded, OlderLogs
from madang_common.log.position import first_offset, position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.problems import Unavailable
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.gaps.command import show
from madang_history.ingest import epoch as epoch_module
from madang_history.ingest.epoch import IngestPorts
from madang_history.ingest.ingest import Ingest
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.coverage import Coverage
from madang_history.store.epochs import check_log
from madang_history.store.port import (
    Gap,
    ShardProgress,
    StoredEvent,
    StoreMismatch,
    StoreUnavailable,
)
from madang_history.store.sqlite import SqliteMessageStore
from tests.support.older_logs import alone
from tests.support.waiting import until

from .conftest import SHARDS, an_event

ROOM = "rooms.yard"
FIRST = first_offset(1)
MORE = 6
"""Shards of the later epoch."""


class Harness:
    """One folder with the logs of all epochs and the store, and one history at a time on it."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        self.folder = folder
        self.path = folder / "log.db"
        self._settings = settings
        self.log: SqliteLog
        self.store: SqliteMessageStore
        self.kind: type[SqliteMessageStore] = SqliteMessageStore
        self.registry = CollectorRegistry()

    @asynccontextmanager
    async def history(
        self, epoch: int = 0, shards: int = SHARDS, *, older_logs: OlderLogs | None = None
    ) -> AsyncIterator[None]:
        """Run history in `epoch`."""
        self.log = await SqliteLog.open(self.path, shards, epoch=epoch)
        self.store = await self.kind.open(self.folder / "messages.db", shards, epoch=epoch)
        await check_log(self.log, self.store)
        self.registry = CollectorRegistry()
        ports = IngestPorts(
            self.store,
            SqliteDeadLetters(self.folder / "dead.db"),
            alone,
            HistoryMetrics(self.registry),
            self._settings,
            clock=time.time,
        )
        older_logs = older_logs or partial(open_epoch_file, self.path)
        running = asyncio.create_task(Ingest(self.log, ports, older_logs=older_logs).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])
            await self.store.close()
            await self.log.close()

    async def append(self, *events: Event) -> None:
        """Append each event to the current log as a batch of its own."""
        for event in events:
            shard = shard_of(event.audience, self.log.shards)
            await self.log.append(shard, (event.line(),))

    async def stored(self) -> None:
        """Return when everything in the current log is stored."""
        for shard in range(self.log.shards):
            end = await self.log.end(shard)
            async with asyncio.timeout(20):
                while await self.store.progress(shard) < end:  # noqa: ASYNC110 - in the database
                    await asyncio.sleep(0.005)

    async def positions(self, room: str = ROOM) -> list[int]:
        return [found.position for found in await self.store.after(room, -1, 1000)]

    def counted(self, name: str) -> float:
        return self.registry.get_sample_value(f"madang_history_{name}") or 0.0


@pytest.fixture
def harness(tmp_path: Path, settings: HistorySettings) -> Harness:
    return Harness(tmp_path, settings)


async def append_unstored(harness: Harness, *events: Event) -> None:
    """Append to the log of epoch 0 while no history runs."""
    harness.log = await SqliteLog.open(harness.path, SHARDS)
    await harness.append(*events)
    await harness.log.close()


async def test_a_new_epoch_begins_when_the_one_before_is_stored_to_its_end(
    harness: Harness,
) -> None:
    async with harness.history():
        await harness.append(an_event("1"))
        await harness.stored()
    await append_unstored(harness, an_event("2"), an_event("3", room="other"))

    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("4"))
        await harness.stored()

        stored = await harness.positions()
        sealed = [await harness.store.progress_of(shard, 0) for shard in range(SHARDS)]
        assert await harness.positions("rooms.other") != []

    assert stored == [0, position(1, 0), position(FIRST, 0)]
    assert all(one.is_sealed and not one.lost and one.next == one.end for one in sealed)
    assert harness.counted("lost_batches_total") == 0
    assert harness.counted("incomplete_epochs") == 0


async def test_an_epoch_that_was_stored_to_its_end_is_not_read_again(harness: Harness) -> None:
    async with harness.history():
        await harness.append(an_event("1"))
        await harness.stored()
    async with harness.history(epoch=1):
        await harness.append(an_event("2"))
        await harness.stored()
    harness.path.unlink()

    with capture_logs() as logged:
        async with harness.history(epoch=1):
            await harness.append(an_event("3"))
            await harness.stored()
            assert len(await harness.positions()) == 3

    assert not [line for line in logged if line["log_level"] == "error"]


async def test_epochs_are_stored_one_after_the_other(harness: Harness) -> None:
    async with harness.history():
        pass
    await append_unstored(harness, an_event("1"))
    for epoch in (1, 2):  # history has entered epoch 1, and stored nothing of it
        log = await SqliteLog.open(harness.path, SHARDS, epoch=epoch)
        await log.append(shard_of(ROOM, SHARDS), (an_event(f"in {epoch}").line(),))
        await log.close()
        if epoch == 1:
            store = await SqliteMessageStore.open(harness.folder / "messages.db", SHARDS, epoch=1)
            await store.close()

    async with harness.history(epoch=2):
        await harness.stored()
        assert [at >> 52 for at in await harness.positions()] == [0, 1, 2]
        assert [epoch.number for epoch in await harness.store.epochs()] == [0, 1, 2]


async def test_of_a_key_in_two_epochs_the_first_event_counts(harness: Harness) -> None:
    async with harness.history():
        pass
    await append_unstored(harness, an_event("again"))

    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("again", data={"text": "other"}), an_event("new"))
        await harness.stored()

        assert await harness.positions() == [0, position(FIRST + 1, 0)]


async def test_a_removed_members_late_message_in_the_next_epoch_is_dropped(
    harness: Harness,
) -> None:
    removal = an_event("gone", kind="member.removed", sender="owner", data={"user": "ana"})
    async with harness.history():
        await harness.append(removal)
        await harness.stored()

    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("late"), an_event("of bo", sender="bo"))
        await harness.stored()
        assert await harness.positions() == [0, position(FIRST + 1, 0)]
    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("later"))
        await harness.stored()
        assert await harness.positions() == [0, position(FIRST + 1, 0)]


async def test_a_member_who_comes_back_in_the_next_epoch_may_write(harness: Harness) -> None:
    removal = an_event("gone", kind="member.removed", sender="owner", data={"user": "ana"})
    back = an_event("back", kind="member.joined", sender="ana", data={"user": "ana"})
    async with harness.history():
        await harness.append(removal)
        await harness.stored()

    async with harness.history(epoch=1):
        await harness.append(back, an_event("here"))
        await harness.stored()

        assert len(await harness.positions()) == 3


async def lose(harness: Harness, *, known_end: int = 3, stored: int = 2) -> None:
    """Store the first `stored` batches of the yard of a log that then is lost."""
    async with harness.history():
        await harness.append(*(an_event(str(number)) for number in range(stored)))
        await harness.stored()
        await harness.store.note_end(shard_of(ROOM, SHARDS), known_end)
    for file in harness.folder.glob("log.db*"):
        file.unlink()


async def test_a_log_that_was_lost_is_recorded_with_the_number_of_batches(
    harness: Harness,
) -> None:
    await lose(harness, stored=2, known_end=5)

    with capture_logs() as logged:
        async with harness.history(epoch=1):
            await harness.append(an_event("new"))
            await harness.stored()
            stored = await harness.positions()
            table = await show(harness.store)

    assert stored == [0, position(1, 0), position(FIRST, 0)]
    assert harness.counted("lost_batches_total") == 3
    errors = [line for line in logged if line["log_level"] == "error"]
    assert {line["event"] for line in errors} == {"log_lost_for_good"}
    by_shard = {line["shard"]: line for line in errors}
    shard = shard_of(ROOM, SHARDS)
    assert by_shard[shard]["batches_at_least"] == 3
    assert by_shard[shard]["first"] == to_id(position(2, 0))
    assert by_shard[1 - shard]["batches_at_least"] == 0
    assert by_shard[shard]["runbook"] == "docs/runbooks/broker-data-lost.md"
    rows = [line.split("  ") for line in table]
    assert [cell.strip() for cell in rows[0] if cell] == [
        "EPOCH",
        "SHARD",
        "FIRST",
        "LAST",
        "BATCHES",
        "FOUND",
    ]
    (row,) = [[cell.strip() for cell in row if cell] for row in rows if "at least 3" in row]
    first, last = to_id(position(2, 0)), to_id(position(5, 0) - 1)
    assert row[:5] == ["0", str(shard), first, f"{last} or later", "at least 3"]


async def test_a_restart_after_the_loss_does_not_count_it_again(harness: Harness) -> None:
    await lose(harness)
    async with harness.history(epoch=1):
        await harness.append(an_event("new"))
        await harness.stored()

    async with harness.history(epoch=1):
        await harness.append(an_event("newer"))
        await harness.stored()

    assert harness.counted("lost_batches_total") == 0


async def restore_copy(harness: Harness, *, copied: int, stored: int) -> None:
    """Store `stored` batches of the yard; restore a copy of the log from when it had `copied`."""
    await append_unstored(harness, *(an_event(str(number)) for number in range(copied)))
    copy = await asyncio.to_thread(harness.path.read_bytes)
    async with harness.history():
        if stored > copied:
            await harness.append(*(an_event(str(number)) for number in range(copied, stored)))
        await harness.stored()
    for file in harness.folder.glob("log.db*"):
        file.unlink()
    await asyncio.to_thread(harness.path.write_bytes, copy)


async def test_a_log_restored_from_an_older_copy_is_refused_in_its_epoch(
    harness: Harness,
) -> None:
    await restore_copy(harness, copied=2, stored=4)

    with pytest.raises(StoreMismatch, match=r"docs/runbooks/broker-data-lost\.md"):
        async with harness.history():
            pass


async def test_after_a_log_restored_from_an_older_copy_nothing_stored_is_stored_again(
    harness: Harness,
) -> None:
    await restore_copy(harness, copied=2, stored=4)

    async with harness.history(epoch=1):
        await harness.append(an_event("1"), an_event("new"))
        await harness.stored()
        stored = await harness.positions()
        progress = await harness.store.progress_of(shard_of(ROOM, SHARDS), 0)

    assert stored == [position(n, 0) for n in range(4)] + [position(FIRST + 1, 0)]
    assert (progress.next, progress.end, progress.lost) == (4, 4, True)


async def test_the_unstored_part_of_a_restored_copy_is_stored(harness: Harness) -> None:
    async with harness.history():
        await harness.store.note_end(shard_of(ROOM, SHARDS), 5)
    await append_unstored(harness, *(an_event(str(number)) for number in range(3)))

    async with harness.history(epoch=1):
        await harness.append(an_event("new"))
        await harness.stored()
        progress = await harness.store.progress_of(shard_of(ROOM, SHARDS), 0)

        assert len(await harness.positions()) == 4
    assert (progress.next, progress.end, progress.lost) == (3, 5, True)
    assert harness.counted("lost_batches_total") == 2


class Reached:
    """What a gateway is told about the yard."""

    def __init__(self, harness: Harness) -> None:
        self._coverage = Coverage(harness.store)
        self._log = harness.log

    async def after(self, at: int) -> bool:
        """Return whether a client that has everything up to position `at` misses nothing."""
        stored = await self._coverage.stored_to(ROOM)
        return await self._coverage.is_complete_after(ROOM, at, stored, self._log)

    async def stored_to(self) -> int | None:
        return await self._coverage.stored_to(ROOM)


async def test_only_positions_in_the_lost_part_do_not_resume(harness: Harness) -> None:
    await lose(harness, stored=2, known_end=5)

    async with harness.history(epoch=1):
        await harness.append(an_event("new"))
        await harness.stored()
        reached = Reached(harness)
        before = [-1, 0, position(1, 0), position(2, 0) - 1]
        lost = [position(2, 0), position(4, 7), position(5, 0), position(900, 1)]
        beyond = [position(FIRST, 0) - 2]
        after = [position(FIRST, 0) - 1, position(FIRST, 0), position(FIRST + 1, 0) - 1]

        assert [await reached.after(at) for at in before + after] == [True] * 7
        assert [await reached.after(at) for at in lost + beyond] == [False] * 5
        assert not await reached.after(position(FIRST + 1, 0))
        assert not await reached.after(position(first_offset(2), 0))
        assert await reached.stored_to() == position(FIRST + 1, 0) - 1


async def test_a_replica_of_the_old_epoch_does_not_answer_about_the_next(
    harness: Harness,
) -> None:
    async with harness.history():
        await harness.append(an_event("1"))
        await harness.stored()
        reached = Reached(harness)
        assert await reached.after(0)
        later = await SqliteMessageStore.open(harness.folder / "messages.db", MORE, epoch=1)
        await later.close()

        with pytest.raises(Unavailable):
            await reached.after(position(FIRST, 0))
        assert not await reached.after(position(first_offset(2), 0))


async def test_after_a_planned_change_every_position_resumes(harness: Harness) -> None:
    async with harness.history():
        await harness.append(an_event("1"), an_event("2"))
        await harness.stored()

    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("3"))
        await harness.stored()
        reached = Reached(harness)

        for at in (-1, 0, position(1, 0), position(2, 0) - 1, position(FIRST, 0) - 1):
            assert await reached.after(at)
        assert not await reached.after(position(2, 0))  # the log never had it
        assert await show(harness.store) == []


async def test_until_the_older_epoch_is_stored_its_progress_counts(harness: Harness) -> None:
    async with harness.history():
        await harness.append(an_event("1"))
        await harness.stored()
    harness.log = await SqliteLog.open(harness.path, MORE, epoch=1)
    harness.store = await SqliteMessageStore.open(harness.folder / "messages.db", MORE, epoch=1)
    reached = Reached(harness)

    assert await reached.stored_to() == position(1, 0) - 1
    assert await reached.after(0)
    with pytest.raises(Unavailable):
        await reached.after(position(1, 0))  # not known yet
    assert await reached.after(position(FIRST, 0) - 1)

    await harness.store.seal(shard_of(ROOM, SHARDS), 0, lost=False)

    assert await reached.stored_to() == position(FIRST, 0) - 1
    assert not await reached.after(position(1, 0))
    await harness.store.close()
    await harness.log.close()


async def test_a_replica_of_the_epoch_before_leaves_later_positions_to_others(
    harness: Harness,
) -> None:
    async with harness.history():
        reached = Reached(harness)
        assert await reached.stored_to() is None
        later = await SqliteMessageStore.open(harness.folder / "messages.db", MORE, epoch=1)
        for shard in range(SHARDS):
            await later.seal(shard, 0, lost=False)
        await later.store(shard_of(ROOM, MORE), [], FIRST + 3)

        assert await reached.stored_to() == position(FIRST + 3, 0) - 1
        with pytest.raises(Unavailable):
            await reached.after(position(FIRST, 0))
        await later.close()


async def test_gaps_of_older_epochs_still_count(harness: Harness) -> None:
    async with harness.history():
        await harness.store.add_gap(shard_of(ROOM, SHARDS), Gap(0, 3))
        await harness.store.store(shard_of(ROOM, SHARDS), [], 3)
    async with harness.history(epoch=1, shards=MORE):
        await harness.append(an_event("new"))
        await harness.stored()
        reached = Reached(harness)

        assert not await reached.after(position(1, 0))
        assert await reached.after(position(3, 0) - 1)
        assert await reached.after(position(FIRST, 0) - 1)


async def test_an_older_epoch_whose_end_is_not_marked_counts_as_lost(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with harness.history():
        pass
    await append_unstored(harness, an_event("1"))
    unmarked = await SqliteLog.open(harness.path, SHARDS)
    monkeypatch.setattr(epoch_module, "_END_WITHIN_SECONDS", 0.2)

    @asynccontextmanager
    async def older_logs(epoch: int, shards: int | None) -> AsyncIterator[Log | None]:
        yield unmarked

    harness.path = harness.folder / "new" / "log.db"
    harness.path.parent.mkdir()
    with capture_logs() as logged:
        async with harness.history(epoch=1, older_logs=older_logs):
            await harness.append(an_event("2"))
            await harness.stored()
            assert len(await harness.positions()) == 2
            progress = await harness.store.progress_of(shard_of(ROOM, SHARDS), 0)

    assert (progress.next, progress.lost) == (1, True)
    (reason, _) = [line["reason"] for line in logged if line["event"] == "log_lost_for_good"]
    assert "no marker" in reason
    await unmarked.close()


async def test_an_epoch_that_ends_while_it_is_stored_is_sealed(harness: Harness) -> None:
    async with harness.history():
        await harness.append(an_event("1"))
        await harness.stored()
        log, store = harness.log, harness.store
        later = await SqliteLog.open(harness.path, SHARDS, epoch=1)
        for shard in range(SHARDS):  # it notices the end when something is appended
            with pytest.raises(LogEnded):
                await log.append(shard, (an_event("late").line(),))

        async with asyncio.timeout(20):
            while not (await store.progress_of(shard_of(ROOM, SHARDS), 0)).is_sealed:  # noqa: ASYNC110 - in the database
                await asyncio.sleep(0.005)
        assert await harness.positions() == [0]
        await later.close()


class BrieflyUnavailable(SqliteMessageStore):
    """The embedded store, whose first write is slow, and which cannot be read meanwhile."""

    away = False
    was_away = False

    def come_back(self) -> None:
        self.away = False

    @override
    async def store(self, shard: int, entries: Sequence[StoredEvent], progress: int) -> int:
        if not self.was_away:
            self.away = self.was_away = True
            asyncio.get_running_loop().call_later(0.5, self.come_back)
            await asyncio.sleep(0.5)
        return await super().store(shard, entries, progress)

    @override
    async def progress_of(self, shard: int, epoch: int) -> ShardProgress:
        if self.away:
            raise StoreUnavailable("unavailable")
        return await super().progress_of(shard, epoch)


async def test_a_store_that_is_unavailable_does_not_start_the_next_epoch_early(
    harness: Harness,
) -> None:
    async with harness.history():
        pass
    await append_unstored(harness, an_event("1"))
    harness.kind = BrieflyUnavailable

    async with harness.history(epoch=1):
        await harness.append(an_event("1"))
        await until(lambda: getattr(harness.store, "was_away", False))
        await until(lambda: not getattr(harness.store, "away", True))
        await harness.stored()

        assert await harness.positions() == [0]
