"""The contract of history's lease port, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from madang_history.endpoint import MongoEndpoint
from madang_history.leases.mongo import MongoLeases
from madang_history.leases.port import Leases
from madang_history.leases.single_replica import SingleReplicaLeases
from madang_history.store.mongo_client import connected

SHARDS = 4
PATIENCE_SECONDS = 20


@pytest.fixture(params=["everything", "mongo"])
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    if request.param == "everything":
        yield SingleReplicaLeases(SHARDS)
        return
    url = request.getfixturevalue("mongo_url")
    name = request.getfixturevalue("mongo_database")
    async with connected(
        MongoEndpoint.at(url), name, timeout_seconds=10, connections=4
    ) as database:
        yield await MongoLeases.open(database, SHARDS, seconds=2)


async def test_one_that_is_alone_holds_every_shard_at_once(leases: Leases) -> None:
    async with aclosing(leases.changes()) as changes, asyncio.timeout(PATIENCE_SECONDS):
        held = await anext(changes)

        assert held == frozenset(range(SHARDS))
        assert all(leases.holds(shard) for shard in held)

    await leases.release()


async def test_it_goes_on_holding_them(leases: Leases) -> None:
    changes = leases.changes()
    await anext(changes)
    another = asyncio.ensure_future(anext(changes))

    # Longer than a lease lasts.
    done, _ = await asyncio.wait([another], timeout=3)

    assert not done
    assert all(leases.holds(shard) for shard in range(SHARDS))
    another.cancel()
    await asyncio.wait([another])
    await changes.aclose()
    await leases.release()


async def test_a_shard_that_the_log_does_not_have_is_not_held(leases: Leases) -> None:
    async with aclosing(leases.changes()) as changes:
        await anext(changes)

        assert not leases.holds(SHARDS)

    await leases.release()


async def test_they_can_be_released_at_any_time(leases: Leases) -> None:
    await leases.release()
    await leases.release()
