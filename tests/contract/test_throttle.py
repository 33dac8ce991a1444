"""What every adapter of auth's throttle port must do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from madang_auth.redis_store import RedisStore
from madang_auth.throttle.bucket import Limit, Refused, Taken
from madang_auth.throttle.port import Throttle
from madang_auth.throttle.redis import RedisThrottle
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_common.problems import Unavailable

NOW = 1_800_000_000.0
LIMIT = Limit(count=3, seconds=30)


class Stores(Protocol):
    """One place where buckets are kept, opened as often as a test likes."""

    async def open(self) -> Throttle:
        """Open the store on the same data."""
        ...


class SqliteStores(Stores):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "auth" / "throttle.db"

    @override
    async def open(self) -> Throttle:
        return await SqliteThrottle.open_file(self._path)


class RedisStores(Stores):
    def __init__(self, url: str) -> None:
        self._url = url

    @override
    async def open(self) -> Throttle:
        return RedisThrottle(RedisStore.at(self._url, connections=10, timeout_seconds=5))


@pytest.fixture(params=["sqlite", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "redis":
        return RedisStores(request.getfixturevalue("redis_database_url"))
    return SqliteStores(tmp_path)


@pytest.fixture
async def throttle(stores: Stores) -> AsyncIterator[Throttle]:
    throttle = await stores.open()
    yield throttle
    await throttle.close()


async def take(throttle: Throttle, times: int, *, key: str = "k", at: float = NOW) -> int:
    """Take so many times and return how often that was granted."""
    outcomes = [await throttle.take(key, LIMIT, now=at) for _ in range(times)]
    return sum(isinstance(outcome, Taken) for outcome in outcomes)


async def test_the_count_may_be_taken_and_no_more(throttle: Throttle) -> None:
    assert await take(throttle, 3) == 3
    assert await throttle.take("k", LIMIT, now=NOW) == Refused(10)


async def test_a_refusal_does_not_count(throttle: Throttle) -> None:
    await take(throttle, 3)
    await take(throttle, 100)

    assert await take(throttle, 1, at=NOW + 10) == 1


async def test_keys_do_not_share(throttle: Throttle) -> None:
    await take(throttle, 3)

    assert await take(throttle, 3, key="other") == 3


async def test_it_drains_with_time(throttle: Throttle) -> None:
    await take(throttle, 3)

    assert await take(throttle, 3, at=NOW + 10) == 1
    assert await take(throttle, 3, at=NOW + 60) == 3


async def test_what_is_given_back_can_be_taken_again(throttle: Throttle) -> None:
    await take(throttle, 3)

    await throttle.give_back("k", LIMIT, now=NOW)

    assert await take(throttle, 3) == 1


async def test_giving_back_never_makes_more_than_the_count(throttle: Throttle) -> None:
    await take(throttle, 1)

    for _ in range(10):
        await throttle.give_back("k", LIMIT, now=NOW)
    await throttle.give_back("never taken", LIMIT, now=NOW)

    assert await take(throttle, 10) == 3
    assert await take(throttle, 10, key="never taken") == 3


async def test_many_at_once_get_no_more_than_the_count(stores: Stores, throttle: Throttle) -> None:
    other = await stores.open()

    granted = await asyncio.gather(*(take(store, 1) for store in (throttle, other) * 20))

    await other.close()
    assert sum(granted) == 3


async def test_sweeping_forgets_nothing_that_has_not_drained(throttle: Throttle) -> None:
    await take(throttle, 3)
    await take(throttle, 1, key="other")

    await throttle.sweep(now=NOW + 10)

    assert await throttle.sweep(now=NOW + 10) == 0
    assert await take(throttle, 3, at=NOW + 10) == 1


async def test_a_closed_store_is_unavailable(stores: Stores) -> None:
    throttle = await stores.open()
    await throttle.ping()
    await throttle.close()

    with pytest.raises(Unavailable):
        await throttle.ping()
    with pytest.raises(Unavailable):
        await throttle.take("k", LIMIT, now=NOW)
    await throttle.close()
