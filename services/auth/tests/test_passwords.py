import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest
from argon2 import PasswordHasher
from prometheus_client import CollectorRegistry
from typing_extensions import override

from madang_auth.metrics import AuthMetrics
from madang_auth.passwords import HashCost, Passwords
from madang_common.problems import Unavailable

CHEAP = HashCost(passes=1, memory_kib=64, lanes=1)


@pytest.fixture
async def passwords() -> AsyncGenerator[Passwords]:
    made = await Passwords.start(CHEAP, workers=1, waiting=1, metrics=metrics())
    yield made
    made.close()


def metrics() -> AuthMetrics:
    return AuthMetrics(CollectorRegistry())


async def test_a_password_fits_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")

    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "wrong horse")


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_nobodys_hash_fits_no_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "correct horse")


async def test_composed_and_decomposed_text_is_one_password(passwords: Passwords) -> None:
    stored = await passwords.hash("\u1106\u1161\u1103\u1161\u11bc 8자")

    assert await passwords.verify(stored, "마당 8자")


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=64", "$2b$12$abcdefghijk"])
async def test_what_is_no_hash_fits_no_password(passwords: Passwords, stored: str) -> None:
    assert not await passwords.verify(stored, "correct horse")


async def test_a_hash_with_other_parameters_is_outdated(passwords: Passwords) -> None:
    other = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1).hash("correct horse")

    assert passwords.is_outdated(other)
    assert not passwords.is_outdated(await passwords.hash("correct horse"))
    assert await passwords.verify(other, "correct horse")


class Held(PasswordHasher):
    """Hashes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.go = threading.Event()

    @override
    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.go.wait()
        return super().hash(password, salt=salt)


async def test_more_than_may_wait_are_refused_and_the_rest_is_done(passwords: Passwords) -> None:
    passwords._hasher = held = Held()
    working, waiting = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable) as refused:
        await passwords.hash("correct horse")
    held.go.set()

    assert refused.value.retry_after_seconds == 2
    assert all(await asyncio.gather(working, waiting))
    assert await passwords.hash("correct horse")


async def test_a_caller_that_gives_up_makes_room(passwords: Passwords) -> None:
    passwords._hasher = held = Held()
    tasks = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(2)]
    await asyncio.sleep(0)

    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    third = asyncio.create_task(passwords.hash("correct horse"))
    held.go.set()

    assert tasks[1].cancelled()
    assert await third
    assert await tasks[0]


async def test_the_event_loop_goes_on_while_a_password_is_hashed() -> None:
    costly = HashCost(passes=3, memory_kib=65_536, lanes=1)
    passwords = await Passwords.start(costly, workers=1, waiting=1, metrics=metrics())
    hashing = asyncio.create_task(passwords.hash("correct horse"))
    turns = 0

    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1

    passwords.close()
    assert turns > 10
