"""The contract of auth's throttle port, for every adapter."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from madang_auth.storage.redis import RedisStore
from madang_auth.throttle.bucket import Limit, Refused, Taken, give_back
from madang_auth.throttle.bucket import take as bucket_take
from madang_auth.throttle.port import Charge, Refusal, Throttle
from madang_auth.throttle.redis import RedisThrottle
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_common.problems import Unavailable
from madang_common.redis.endpoint import RedisEndpoint

NOW = 1_800_000_000.0
LIMIT = Limit(count=3, seconds=30)
MANY = Limit(count=100, seconds=30)
DAY = 86_400.0


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
        return RedisThrottle(
            RedisStore.at(RedisEndpoint.at(self._url), connections=10, timeout_seconds=5)
        )


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


def charge(key: str = "k", limit: Limit = LIMIT) -> Charge:
    return Charge(key, limit)


async def take(throttle: Throttle, times: int, *, key: str = "k", at: float = NOW) -> int:
    """Take so many times and return how often that was granted."""
    outcomes = [await throttle.take([charge(key)], now=at) for _ in range(times)]
    return outcomes.count(None)


async def test_the_count_may_be_taken_and_no_more(throttle: Throttle) -> None:
    assert await take(throttle, 3) == 3
    assert await throttle.take([charge()], now=NOW) == Refusal(charge(), 10)


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


async def test_several_are_counted_together_or_not_at_all(throttle: Throttle) -> None:
    loose = charge("loose", MANY)
    both = [loose, charge()]

    outcomes = [await throttle.take(both, now=NOW) for _ in range(50)]

    assert outcomes == [None] * 3 + [Refusal(charge(), 10)] * 47
    left = [await throttle.take([loose], now=NOW) for _ in range(98)]
    assert left.count(None) == 97


async def test_the_first_charge_that_does_not_fit_is_told(throttle: Throttle) -> None:
    await take(throttle, 3, key="a")
    await take(throttle, 3, key="b", at=NOW - 5)

    assert await throttle.take([charge("b"), charge("a")], now=NOW) == Refusal(charge("b"), 5)
    assert await throttle.take([charge("a"), charge("b")], now=NOW) == Refusal(charge("a"), 10)


async def test_checking_counts_nothing(throttle: Throttle) -> None:
    assert [await throttle.check(charge(), now=NOW) for _ in range(5)] == [None] * 5

    await take(throttle, 3)

    assert await throttle.check(charge(), now=NOW) == Refusal(charge(), 10)
    assert await throttle.check(charge(), now=NOW + 10) is None


async def test_what_is_given_back_can_be_taken_again(throttle: Throttle) -> None:
    await take(throttle, 3)
    await take(throttle, 3, key="other")

    await throttle.give_back([charge(), charge("other")], now=NOW)

    assert await take(throttle, 3) == 1
    assert await take(throttle, 3, key="other") == 1


async def test_giving_back_never_makes_more_than_the_count(throttle: Throttle) -> None:
    await take(throttle, 1)

    for _ in range(10):
        await throttle.give_back([charge(), charge("never taken")], now=NOW)

    assert await take(throttle, 10) == 3
    assert await take(throttle, 10, key="never taken") == 3


async def test_many_at_once_get_no_more_than_the_count(stores: Stores, throttle: Throttle) -> None:
    other = await stores.open()

    granted = await asyncio.gather(*(take(store, 1) for store in (throttle, other) * 20))

    await other.close()
    assert sum(granted) == 3


async def test_many_at_once_of_one_address_are_each_answered(throttle: Throttle) -> None:
    shared = charge("address", Limit(1000, 900))
    tries = [[charge(f"name {n}"), shared] for n in range(200)]

    outcomes = await asyncio.gather(*(throttle.take(each, now=NOW) for each in tries))
    await asyncio.gather(*(throttle.give_back(each, now=NOW) for each in tries))

    assert outcomes == [None] * 200
    left = [await throttle.take([charge("address", Limit(1000, 900))], now=NOW) for _ in range(5)]
    assert left == [None] * 5


@pytest.mark.parametrize("seed", range(3))
async def test_every_store_counts_as_the_rule_says(throttle: Throttle, seed: int) -> None:
    dice = random.Random(seed)
    kinds = [charge("a", Limit(3, 30)), charge("b", Limit(7, 0.9)), charge("c", Limit(11, 86_400))]
    now, drained = NOW + dice.random(), dict.fromkeys(kinds, 0.0)
    for _ in range(200):
        now += dice.choice([0, 0, 0.001, 0.3, 7.7])
        chosen = dice.sample(kinds, dice.randint(1, 3))
        if dice.random() < 0.2:
            await throttle.give_back(chosen, now=now)
            drained |= {one: give_back(drained[one], one.limit) for one in chosen}
            continue
        outcomes = {one: bucket_take(drained[one], one.limit, now) for one in chosen}
        full = [(one, told) for one, told in outcomes.items() if isinstance(told, Refused)]
        refusal = await throttle.take(chosen, now=now)
        if full:
            assert refusal is not None
            assert refusal.charge == full[0][0]
            assert refusal.wait_seconds == pytest.approx(full[0][1].wait_seconds, abs=1e-4)
        else:
            assert refusal is None
            drained |= {
                one: told.drained_at for one, told in outcomes.items() if isinstance(told, Taken)
            }


async def test_a_site_is_known_until_its_time_is_over(throttle: Throttle) -> None:
    assert not await throttle.knows("mina", "home", now=NOW)

    await throttle.remember("mina", "home", until=NOW + DAY, most=2, now=NOW)

    assert await throttle.knows("mina", "home", now=NOW)
    assert not await throttle.knows("mina", "elsewhere", now=NOW)
    assert not await throttle.knows("joon", "home", now=NOW)
    assert not await throttle.knows("mina", "home", now=NOW + DAY)


async def test_of_too_many_sites_those_known_for_longest_stay(throttle: Throttle) -> None:
    for n in range(4):
        await throttle.remember("mina", f"site {n}", until=NOW + DAY + n, most=2, now=NOW + n)
    await throttle.remember("mina", "site 2", until=NOW + DAY + 9, most=2, now=NOW + 9)
    await throttle.remember("mina", "site 4", until=NOW + DAY + 10, most=2, now=NOW + 10)

    known = [await throttle.knows("mina", f"site {n}", now=NOW + 10) for n in range(5)]

    assert known == [False, False, True, False, True]


async def test_no_site_is_known_if_none_may_be(throttle: Throttle) -> None:
    await throttle.remember("mina", "home", until=NOW + DAY, most=0, now=NOW)

    assert not await throttle.knows("mina", "home", now=NOW)


async def test_sites_learned_at_once_are_all_known(stores: Stores, throttle: Throttle) -> None:
    other = await stores.open()

    await asyncio.gather(
        *(
            store.remember("mina", f"site {n}", until=NOW + DAY, most=16, now=NOW)
            for n, store in enumerate((throttle, other) * 8)
        )
    )

    assert all([await other.knows("mina", f"site {n}", now=NOW) for n in range(16)])
    await other.close()


async def test_delete_expired_keeps_valid_buckets_and_sites(throttle: Throttle) -> None:
    await take(throttle, 3)
    await take(throttle, 1, key="other")
    await throttle.remember("mina", "home", until=NOW + DAY, most=2, now=NOW)
    await throttle.remember("joon", "home", until=NOW + 10, most=2, now=NOW)

    await throttle.delete_expired(now=NOW + 10)

    assert await throttle.delete_expired(now=NOW + 10) == 0
    assert await take(throttle, 3, at=NOW + 10) == 1
    assert await throttle.knows("mina", "home", now=NOW + 10)


async def test_a_closed_store_is_unavailable(stores: Stores) -> None:
    throttle = await stores.open()
    await throttle.ping()
    await throttle.close()

    with pytest.raises(Unavailable):
        await throttle.ping()
    with pytest.raises(Unavailable):
        await throttle.take([charge()], now=NOW)
    with pytest.raises(Unavailable):
        await throttle.knows("mina", "home", now=NOW)
    await throttle.close()
