"""The outbox of several replicas: into the log in order, soon, and by one of them at a time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from prometheus_client import CollectorRegistry
from typing_extensions import override

from madang_common.events.kinds import RoomUpdated, Visibility
from madang_common.log.port import Log
from madang_common.log.position import shard_of
from madang_common.log.publisher import Publisher
from madang_common.log.sqlite import SqliteLog
from madang_common.problems import Unavailable
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.outbox.relay import Relay
from madang_rooms.services.authorization import lock_room
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.rooms import Rooms
from madang_rooms.services.users import Users
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.repositories.outbox import Outbox
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitOfWorkRunner
from services.rooms.tests.flaky_log import FlakyLog
from stack.servers import MariaDB
from tests.support.databases import LIMITS, MySqlPlace

SHARDS = 2
SETTINGS = RoomsSettings(
    environment="development", outbox_poll_seconds=0.2, outbox_chunk_rows=20, user_most_rooms=50
)
FOUND_BY_WAKING = SETTINGS.model_copy(update={"outbox_poll_seconds": 3600})
HOLDER = "SELECT IS_USED_LOCK(CONCAT('madang.outbox.', LEFT(SHA2(DATABASE(), 256), 32)))"


class Replica:
    """One replica: its units of work and its relay."""

    def __init__(self, database: Database, log: Log, settings: RoomsSettings) -> None:
        metrics = RoomsMetrics(CollectorRegistry(), lambda: 0.0)
        self.database = database
        self.publisher = Publisher(log, timeout_seconds=settings.outbox_append_seconds)
        self.relay = Relay(database, self.publisher, metrics, settings)
        self.units = UnitOfWorkRunner(database, lambda: 0.0, self._committed, retry_seconds=20)
        self.users = Users(self.units, OwnershipReconciler(self.units), settings)
        self.rooms = Rooms(self.units, settings)

    async def _committed(self, _: Sequence[str]) -> None:
        self.relay.wake()

    async def rename(self, room: str, user: str, times: int) -> None:
        """Give `room` the next number for a name, and again."""

        async def count_up(unit: UnitOfWork) -> None:
            locked = await lock_room(unit, room)
            sender = await unit.users.get(user)
            assert sender is not None
            locked.name = str(int(locked.name) + 1)
            unit.outbox.to_room(room, RoomUpdated(name=locked.name), sender)

        for _ in range(times):
            await self.units.write(count_up)


@asynccontextmanager
async def replica_on(
    database: Database, log: Log, settings: RoomsSettings = SETTINGS
) -> AsyncIterator[Replica]:
    replica = Replica(database, log, settings)
    replica.relay.start()
    try:
        yield replica
    finally:
        await replica.relay.stop()
        await replica.publisher.close()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.sqlite", SHARDS)
    yield opened
    await opened.close()


class SlowLog(FlakyLog):
    """A log that takes a while, more for one batch than for another."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._chance = random.Random(7)

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        await asyncio.sleep(self._chance.random() * 0.02)
        await super().append(shard, lines)


class StuckLog(FlakyLog):
    """A log that takes nothing until it is let go."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.free = asyncio.Event()

    @override
    async def append(self, shard: int, lines: tuple[bytes, ...]) -> None:
        self.tried.set()
        await self.free.wait()
        await super().append(shard, lines)


async def names_in(log: Log, room: str, last: int) -> list[int]:
    """Return the names given to `room`, in the log's order, waiting for the `last` one."""
    return await _names(log, room, lambda found, _: last in found)


async def names_by_now(log: Log, room: str) -> list[int]:
    """Return the names given to `room` that the log has at this moment."""
    end = await log.end(shard_of(f"rooms.{room}", SHARDS))
    return await _names(log, room, lambda _, offset: offset + 1 >= end)


async def _names(log: Log, room: str, is_enough: Callable[[list[int], int], bool]) -> list[int]:
    found: list[int] = []
    follower = log.follow(shard_of(f"rooms.{room}", SHARDS), 0)
    try:
        async for batch in follower:
            events = [orjson.loads(line) for line in batch.lines]
            found += [
                int(event["data"]["name"])
                for event in events
                if event.get("room") == room and event["kind"] == "room.updated"
            ]
            if is_enough(found, batch.offset):
                break
    finally:
        await follower.aclose()
    return found


async def until_empty(database: Database) -> None:
    async def rows() -> int:
        async with database.reading() as session:
            return (await Outbox(session, 0).waiting())[0]

    while await rows():  # noqa: ASYNC110 - the database has no event for it
        await asyncio.sleep(0.01)


async def a_person_with_rooms(replica: Replica, rooms: int) -> tuple[str, list[str]]:
    user = (await replica.users.add("nari", "$argon2id$x", "나리")).id
    made = [await replica.rooms.create(user, "0", Visibility.PUBLIC) for _ in range(rooms)]
    return user, [room.id for room in made]


async def test_what_was_waited_for_is_in_the_log_whichever_replica_carries_it(
    databases: tuple[Database, Database], log: SqliteLog
) -> None:
    slow = SlowLog(log)
    one, other = databases
    async with replica_on(one, slow) as first, replica_on(other, slow) as second:
        user, rooms = await a_person_with_rooms(first, 2)

        async def rename(replica: Replica, room: str) -> None:
            for number in range(1, 11):
                await replica.rename(room, user, 1)
                await replica.relay.published()
                assert number in await names_by_now(log, room)

        await asyncio.gather(rename(first, rooms[0]), rename(second, rooms[1]))


async def test_what_all_replicas_change_comes_in_the_order_of_the_commits(
    databases: tuple[Database, Database], log: SqliteLog
) -> None:
    async with replica_on(databases[0], log) as one, replica_on(databases[1], log) as other:
        user, rooms = await a_person_with_rooms(one, 3)

        await asyncio.gather(
            *(replica.rename(room, user, 10) for replica in (one, other) * 2 for room in rooms)
        )

        for room in rooms:
            assert await names_in(log, room, 40) == list(range(1, 41))
        await until_empty(databases[0])


async def test_the_order_holds_even_if_two_carry_at_once(
    databases: tuple[Database, Database], log: SqliteLog
) -> None:
    # Whoever asks such a database always has their turn, as if the lock had been lost.
    unlocked = [Database(database._reading, database._writing) for database in databases]
    slow = SlowLog(log)
    async with replica_on(unlocked[0], slow) as one, replica_on(unlocked[1], slow) as other:
        user, rooms = await a_person_with_rooms(one, 2)

        await asyncio.gather(
            *(replica.rename(room, user, 20) for replica in (one, other) * 2 for room in rooms)
        )

        told = [await names_in(log, room, 80) for room in rooms]
        for names in told:
            assert list(dict.fromkeys(names)) == list(range(1, 81))
        assert sum(map(len, told)) > 2 * 80  # they did meet


async def test_a_change_is_in_the_log_at_once_whichever_replica_took_it(
    databases: tuple[Database, Database], log: SqliteLog
) -> None:
    async with (
        replica_on(databases[0], log, FOUND_BY_WAKING) as one,
        replica_on(databases[1], log, FOUND_BY_WAKING) as other,
    ):
        user, (room,) = await a_person_with_rooms(one, 1)
        seconds = []
        for number in range(1, 21):
            await (one, other)[number % 2].rename(room, user, 1)
            began = time.monotonic()
            await names_in(log, room, number)
            seconds.append(time.monotonic() - began)

        assert min(seconds) < 0.1


async def test_when_the_carrier_loses_its_connection_another_carries_on(
    place: MySqlPlace, databases: tuple[Database, Database], log: SqliteLog
) -> None:
    stuck = StuckLog(log)
    async with replica_on(databases[0], stuck, FOUND_BY_WAKING) as one:
        user, (room,) = await a_person_with_rooms(one, 1)
        await stuck.tried.wait()  # one has its turn, and cannot end it
        async with replica_on(databases[1], log, FOUND_BY_WAKING) as other:
            await other.rename(room, user, 3)
            ((holder,),) = await place.ask(HOLDER)

            await place.ask(f"KILL {holder}")

            assert await names_in(log, room, 3) == [1, 2, 3]
            await until_empty(databases[1])
            stuck.free.set()  # too late: its batch comes a second time, behind the first
            await one.rename(room, user, 1)
            assert (await names_in(log, room, 4))[-1] == 4


async def test_a_replica_that_does_not_reach_the_log_leaves_the_outbox_to_others(
    databases: tuple[Database, Database], log: SqliteLog
) -> None:
    cut_off = FlakyLog(log)
    cut_off.unavailable = set(range(SHARDS))
    hasty = SETTINGS.model_copy(update={"outbox_append_seconds": 0.1})
    async with (
        replica_on(databases[0], cut_off, hasty) as one,
        replica_on(databases[1], log) as other,
    ):
        user, (room,) = await a_person_with_rooms(one, 1)

        await one.rename(room, user, 3)

        assert await names_in(log, room, 3) == [1, 2, 3]
        assert other.relay is not None


async def test_the_turn_is_one_replicas_at_a_time(databases: tuple[Database, Database]) -> None:
    one, other = databases
    async with one.lock_outbox() as mine, other.lock_outbox() as theirs:
        assert mine is not None
        assert theirs is None
    async with other.lock_outbox() as theirs:
        assert theirs is not None


async def test_a_turn_whose_connection_is_lost_writes_nothing_more(
    place: MySqlPlace, databases: tuple[Database, Database]
) -> None:
    one, other = databases

    async def carry_too_long() -> None:
        async with one.lock_outbox() as turn:
            assert turn is not None
            ((holder,),) = await place.ask(HOLDER)
            await place.ask(f"KILL {holder}")
            async with other.lock_outbox() as theirs:
                assert theirs is not None
                await turn.ping()

    with pytest.raises(Unavailable):
        await carry_too_long()
    async with one.lock_outbox() as again:
        assert again is not None


async def test_a_restart_of_the_database_costs_no_change_that_was_acknowledged(
    private_mariadb: MariaDB, log: SqliteLog
) -> None:
    place = MySqlPlace(private_mariadb.url, replace(LIMITS, wait_seconds=1))
    await place.migrate()
    acknowledged = 0
    ended = asyncio.Event()
    async with (
        place.replica() as first,
        place.replica() as second,
        replica_on(first, log) as one,
        replica_on(second, log) as other,
    ):
        user, (room,) = await a_person_with_rooms(one, 1)

        async def load(replica: Replica) -> None:
            nonlocal acknowledged
            while not ended.is_set():
                try:
                    await replica.rename(room, user, 1)
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    acknowledged += 1

        async def more(changes: int) -> None:
            enough = acknowledged + changes
            while acknowledged < enough:  # noqa: ASYNC110 - what counts has no event
                await asyncio.sleep(0.01)

        working = [asyncio.create_task(load(replica)) for replica in (one, other) * 2]
        for _ in range(2):
            await more(20)
            await asyncio.to_thread(private_mariadb.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(private_mariadb.start)
        await more(20)
        ended.set()
        await asyncio.gather(*working)

        ((name,),) = await place.ask(f"SELECT name FROM rooms WHERE id = '{room}'")
        names = list(dict.fromkeys(await names_in(log, room, int(str(name)))))
        assert names == list(range(1, int(str(name)) + 1))
        assert len(names) >= acknowledged
        await until_empty(first)
