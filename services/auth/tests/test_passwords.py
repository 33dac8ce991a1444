import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry
from typing_extensions import override

from madang_auth.metrics import AuthMetrics
from madang_auth.passwords.passwords import HashCost, HashQueue, Passwords
from madang_common.problems import TooManyRequests, Unavailable

CHEAP = HashCost(passes=1, memory_kib=64, lanes=1)
ONE_WAITS = HashQueue(workers=1, waiting=1, waiting_per_site=1, seconds=60)
HERE, THERE = {"address": "203.0.113.9"}, {"address": "198.51.100.7"}


@pytest.fixture
async def passwords() -> AsyncGenerator[Passwords]:
    made = await Passwords.start(CHEAP, ONE_WAITS, metrics=metrics())
    yield made
    made.close()


def metrics() -> AuthMetrics:
    return AuthMetrics(CollectorRegistry())


async def test_a_password_matches_only_its_own_hash(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse", **HERE)

    assert await passwords.verify(stored, "correct horse", **HERE)
    assert not await passwords.verify(stored, "wrong horse", **HERE)


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse", **HERE) != await passwords.hash(
        "correct horse", **HERE
    )


async def test_the_dummy_hash_matches_no_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "correct horse", **HERE)


async def test_composed_and_decomposed_text_is_one_password(passwords: Passwords) -> None:
    stored = await passwords.hash("\u1106\u1161\u1103\u1161\u11bc 8자", **HERE)

    assert await passwords.verify(stored, "마당 8자", **HERE)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64", "$2b$12$abcdefghijk"])
async def test_a_malformed_hash_matches_no_password(passwords: Passwords, stored: str) -> None:
    assert not await passwords.verify(stored, "correct horse", **HERE)


async def test_a_hash_with_other_parameters_is_outdated(passwords: Passwords) -> None:
    other = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash("correct horse")

    assert passwords.is_outdated(other)
    assert not passwords.is_outdated(await passwords.hash("correct horse", **HERE))
    assert await passwords.verify(other, "correct horse", **HERE)


class Held(PasswordHasher):
    """Blocks each hash until a test releases it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.go = threading.Event()
        self.under_way = 0

    @override
    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.under_way += 1
        self.go.wait()
        self.under_way -= 1
        return super().hash(password, salt=salt)


async def test_callers_above_the_queue_bound_are_refused(passwords: Passwords) -> None:
    passwords._hasher = held = Held()
    working, waiting = [
        asyncio.create_task(passwords.hash("correct horse", **HERE)) for _ in range(2)
    ]
    await asyncio.sleep(0)

    with pytest.raises(TooManyRequests) as refused:
        await passwords.hash("correct horse", **HERE)
    with pytest.raises(Unavailable) as refused_elsewhere:
        await passwords.hash("correct horse", **THERE)
    held.go.set()

    assert refused.value.retry_after_seconds == refused_elsewhere.value.retry_after_seconds == 2
    assert all(await asyncio.gather(working, waiting))
    assert await passwords.hash("correct horse", **HERE)


async def test_a_cancelled_caller_leaves_the_queue(passwords: Passwords) -> None:
    passwords._hasher = held = Held()
    tasks = [asyncio.create_task(passwords.hash("correct horse", **HERE)) for _ in range(2)]
    await asyncio.sleep(0)

    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    third = asyncio.create_task(passwords.hash("correct horse", **HERE))
    held.go.set()

    assert tasks[1].cancelled()
    assert await third
    assert await tasks[0]


async def test_a_caller_cancelled_while_hashing_leaves_the_worker_busy(
    passwords: Passwords,
) -> None:
    passwords._hasher = held = Held()
    leaving, next_one = [
        asyncio.create_task(passwords.hash("correct horse", **HERE)) for _ in range(2)
    ]
    await asyncio.sleep(0)

    leaving.cancel()
    await asyncio.wait([leaving])
    await asyncio.sleep(0.05)

    assert held.under_way == 1
    held.go.set()
    assert await next_one


async def queue(*, seconds: float = 60) -> Passwords:
    bounds = HashQueue(workers=1, waiting=8, waiting_per_site=6, seconds=seconds)
    return await Passwords.start(CHEAP, bounds, metrics=metrics())


async def test_a_single_caller_does_not_wait_for_all_of_another_address() -> None:
    passwords = await queue()
    passwords._hasher = held = Held()
    done: list[str] = []

    async def log_in(address: str) -> None:
        await passwords.hash("correct horse", address=address)
        done.append(address)

    many = [asyncio.create_task(log_in("203.0.113.9")) for _ in range(7)]
    await asyncio.sleep(0)
    alone = [asyncio.create_task(log_in(f"198.51.100.{n}")) for n in range(2)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(*many, *alone)

    passwords.close()
    assert sorted(done[1:4]) == ["198.51.100.0", "198.51.100.1", "203.0.113.9"]


async def test_a_full_queue_displaces_a_caller_of_the_longest_address() -> None:
    passwords = await queue()
    passwords._hasher = held = Held()
    many = [asyncio.create_task(passwords.hash("x", **HERE)) for _ in range(7)]
    await asyncio.sleep(0)
    others = [asyncio.create_task(passwords.hash("x", address=f"198.51.100.{n}")) for n in range(6)]
    await asyncio.sleep(0)
    held.go.set()

    ended = await asyncio.gather(*many, return_exceptions=True)

    assert [type(one) for one in ended].count(Unavailable) == 4
    assert type(ended[-1]) is Unavailable
    assert all(await asyncio.gather(*others))
    passwords.close()


async def test_addresses_of_one_ipv6_network_share_a_site() -> None:
    passwords = await queue()
    passwords._hasher = held = Held()
    many = [asyncio.create_task(passwords.hash("x", address=f"2001:db8::{n}")) for n in range(7)]
    await asyncio.sleep(0)

    with pytest.raises(TooManyRequests):
        await passwords.hash("x", address="2001:db8::ffff:1")
    other = asyncio.create_task(passwords.hash("x", address="2001:db8:0:1::1"))
    held.go.set()

    assert await other
    await asyncio.gather(*many)
    passwords.close()


async def test_a_wait_ends_at_the_deadline() -> None:
    passwords = await queue(seconds=0.05)
    passwords._hasher = held = Held()
    working = asyncio.create_task(passwords.hash("x", **HERE))
    await asyncio.sleep(0)

    with pytest.raises(Unavailable) as refused:
        await passwords.hash("x", **THERE)
    held.go.set()

    assert refused.value.retry_after_seconds == 2
    assert await working
    assert await passwords.hash("x", **THERE)
    passwords.close()


async def test_hashing_does_not_block_the_event_loop() -> None:
    costly = HashCost(passes=3, memory_kib=65_536, lanes=1)
    passwords = await Passwords.start(costly, ONE_WAITS, metrics=metrics())
    hashing = asyncio.create_task(passwords.hash("correct horse", **HERE))
    turns = 0

    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1

    passwords.close()
    assert turns > 10
