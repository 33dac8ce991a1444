import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from madang_history.endpoint import MongoEndpoint
from madang_history.leases.mongo import MongoLeases
from madang_history.store.mongo_client import Database, connected
from stack.servers import MongoDB
from tests.support.waiting import until

SHARDS = 4
SECONDS = 3.0
BUSY_SECONDS = 3.0
"""Tolerance for a busy machine."""
PATIENCE_SECONDS = 60


class Replica:
    """The leases of one replica, and its held shards."""

    def __init__(self, leases: MongoLeases) -> None:
        self.leases = leases
        self.held: frozenset[int] = frozenset()
        self.changes: list[frozenset[int]] = []
        self.task = asyncio.create_task(self._follow())

    @property
    def sure(self) -> set[int]:
        """The shards that it may write to now."""
        return {shard for shard in range(SHARDS) if self.leases.holds(shard)}

    async def _follow(self) -> None:
        async with aclosing(self.leases.changes()) as changes:
            async for held in changes:
                self.held = held
                self.changes.append(held)

    async def die(self) -> None:
        """Stop renewing, without a release."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def stop(self) -> None:
        await self.die()
        self.held = frozenset()
        await self.leases.release()


@pytest.fixture
async def database(mongo_url: str, mongo_database: str) -> AsyncIterator[Database]:
    async with connected(
        MongoEndpoint.at(mongo_url), mongo_database, timeout_seconds=10, connections=10
    ) as database:
        yield database


Join = Callable[..., Any]


@pytest.fixture
async def join(database: Database) -> AsyncIterator[Join]:
    replicas: list[Replica] = []

    async def join(epoch: int = 0) -> Replica:
        leases = await MongoLeases.open(database, SHARDS, epoch=epoch, seconds=SECONDS)
        replicas.append(Replica(leases))
        return replicas[-1]

    yield join
    for replica in replicas:
        await replica.stop()


def shared(*replicas: Replica) -> Callable[[], bool]:
    """Return a condition: every shard is held by one replica, evenly."""

    def shared() -> bool:
        sizes = [len(replica.sure) for replica in replicas]
        together = set[int]().union(*(replica.sure for replica in replicas))
        return together == set(range(SHARDS)) and max(sizes) - min(sizes) <= 1

    return shared


async def test_two_replicas_share_the_shards_evenly(join: Join) -> None:
    first, second = await join(), await join()

    await until(shared(first, second))

    assert len(first.sure) == len(second.sure) == 2


async def test_replicas_of_two_epochs_do_not_share(join: Join, database: Database) -> None:
    first, second, later = await join(), await join(), await join(epoch=1)

    await until(shared(first, second))
    await until(shared(later))

    assert len(first.sure) == 2
    ids = [lease["_id"] async for lease in database["leases"].find({"_id": {"$type": "int"}})]
    assert sorted(ids) == [*range(SHARDS), *(1024 + shard for shard in range(SHARDS))]
    await later.stop()
    await until(shared(first, second))


async def test_replicas_of_a_later_epoch_share_its_shards(join: Join) -> None:
    first, second = await join(epoch=2), await join(epoch=2)
    await until(shared(first, second))

    await first.stop()

    await until(shared(second))


async def test_no_two_replicas_hold_a_shard_at_the_same_time(join: Join) -> None:
    chance = random.Random(1)
    replicas: list[Replica] = [await join()]
    held_twice = False

    async def watch() -> None:
        nonlocal held_twice
        while True:
            together = [shard for replica in replicas for shard in replica.sure]
            held_twice = held_twice or len(together) > len(set(together))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for _ in range(10):
        if len(replicas) < 2 or (len(replicas) < 4 and chance.random() < 0.6):
            replicas.append(await join())
        else:
            gone = replicas.pop(chance.randrange(len(replicas)))
            await (gone.stop() if chance.random() < 0.5 else gone.die())
        await asyncio.sleep(chance.uniform(0, SECONDS / 2))
    await until(shared(*replicas))
    watching.cancel()
    await asyncio.wait([watching])

    assert not held_twice


async def test_a_new_replica_takes_its_share_only(join: Join) -> None:
    first = await join()
    await until(shared(first))
    second = await join()
    await until(shared(first, second))
    before = {0: first.held, 1: second.held}

    third = await join()
    await until(shared(first, second, third))

    assert len(third.held) == 1
    moved = (before[0] - first.held) | (before[1] - second.held)
    assert moved == third.held


async def test_a_shard_is_released_after_its_work_has_stopped(
    database: Database, join: Join
) -> None:
    first = await MongoLeases.open(database, SHARDS, seconds=SECONDS)
    async with aclosing(first.changes()) as changes:
        assert await anext(changes) == {0, 1, 2, 3}
        second = await join()
        assert await anext(changes) == {0, 1}

        # Long enough for several rounds of the second, too short for a lease to expire.
        await asyncio.sleep(SECONDS / 4)
        assert second.held == set()

        stopped = asyncio.ensure_future(anext(changes))
        await until(lambda: second.held == {2, 3})
        stopped.cancel()
        await asyncio.wait([stopped])
    await first.release()


async def test_a_released_shard_is_taken_before_its_lease_expires(
    database: Database, join: Join
) -> None:
    first, second = await join(), await join()
    await until(shared(first, second))

    await first.stop()

    left = [lease["owner"] async for lease in database["leases"].find()]
    assert first.leases.name not in left
    await until(shared(second))


async def test_a_dead_replica_is_replaced_within_the_lease_time(join: Join) -> None:
    first, second = await join(), await join()
    await until(shared(first, second))

    await first.die()
    died = time.monotonic()
    await until(shared(second))

    assert time.monotonic() - died < SECONDS + BUSY_SECONDS
    assert first.sure == set()


async def test_leases_that_cannot_be_renewed_are_lost_when_they_expire(
    private_mongodb: MongoDB,
) -> None:
    url = private_mongodb.url
    async with connected(
        MongoEndpoint.at(url), "madang", timeout_seconds=0.5, connections=4
    ) as database:
        replica = Replica(await MongoLeases.open(database, SHARDS, seconds=SECONDS))
        await until(shared(replica))

        private_mongodb.pause()
        paused = time.monotonic()
        await until(lambda: not replica.sure)
        unsure = time.monotonic()
        await until(lambda: not replica.held)
        private_mongodb.resume()

        assert unsure - paused <= SECONDS + BUSY_SECONDS
        await until(shared(replica))
        await replica.stop()


async def test_the_clocks_of_replicas_do_not_matter(database: Database, join: Join) -> None:
    """A replica whose clock is wrong gets its share like the others."""
    first = await join()
    await until(shared(first))
    second = await join()
    second.leases._clock = lambda: time.monotonic() + 1_000_000

    await until(lambda: len(first.held) == 2 and len(second.held) == 2)


REPLICA = """
import asyncio, sys
from madang_history.endpoint import MongoEndpoint
from madang_history.store.mongo_client import connected
from madang_history.leases.mongo import MongoLeases

async def main(url, name):
    async with connected(
        MongoEndpoint.at(url), name, timeout_seconds=10, connections=4
    ) as database:
        leases = await MongoLeases.open(database, 4, seconds=3)
        async for held in leases.changes():
            print("held", *sorted(held), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def other_process(
    url: str, database: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    script = folder / "replica.py"
    await asyncio.to_thread(script.write_text, REPLICA)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), url, database, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        # Waiting for a process with a full pipe would block forever.
        await process.communicate()


async def next_held(process: asyncio.subprocess.Process) -> set[int]:
    assert process.stdout is not None
    while True:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
        assert line, "the process has ended"
        if line.startswith(b"held"):
            return {int(shard) for shard in line.split()[1:]}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_is_killed_or_stopped_is_replaced_within_the_lease_time(
    mongo_url: str, mongo_database: str, tmp_path: Path, join: Join, how: signal.Signals
) -> None:
    async with other_process(mongo_url, mongo_database, tmp_path) as process:
        assert await next_held(process) == {0, 1, 2, 3}
        here = await join()
        assert await next_held(process) == {0, 1}
        await until(lambda: here.sure == {2, 3})

        os.kill(process.pid, how)
        ended = time.monotonic()
        await until(shared(here))

        assert time.monotonic() - ended < SECONDS + BUSY_SECONDS
        if how == signal.SIGSTOP:
            os.kill(process.pid, signal.SIGCONT)
            # It finds that its leases have expired, and takes its share again.
            assert await next_held(process) == set()
            assert len(await next_held(process)) == 2
