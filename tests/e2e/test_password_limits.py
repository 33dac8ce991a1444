"""Passwords under attack: other addresses neither wait nor are locked out."""

import asyncio
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.e2e.people import PASSWORD, Person, register
from tests.e2e.product import Product

LOGIN = "/api/auth/v1/login"
_ACCOUNTS = 4
_AT_ONCE = 14
"""Logins with each of the attacker's accounts."""
_TRIES = 3
_MOST_OF_THEIR_TIME = 0.4
_COSTLY = {
    "MADANG_PASSWORD_HASH_PASSES": "2",
    "MADANG_PASSWORD_HASH_MEMORY_KIB": "32768",
    "MADANG_PASSWORD_HASHES_WAITING_PER_ADDRESS": "60",
    "MADANG_PASSWORD_HASH_WAIT_SECONDS": "60",
}
"""Slow hashes, and a queue without timeout, for slow machines."""


@pytest.fixture(autouse=True)
def addresses_are_seen(form: str) -> None:
    """Skip where all clients share one address."""
    if form in {"compose", "kubernetes"}:
        pytest.skip("the network hides the addresses of clients on the same machine")


def somewhere() -> str:
    """Return a loopback address that no other test uses."""
    return ".".join(["127", *(str(random.randint(2, 250)) for _ in range(3))])


@contextmanager
def at(product: Product, address: str) -> Iterator[httpx.Client]:
    """Give a client at another address of this machine."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=product.url, transport=transport, timeout=60) as client:
        yield client


def log_in(client: httpx.Client, username: str, password: str = PASSWORD) -> int:
    body = {"username": username, "password": password}
    return client.post(LOGIN, json=body).status_code


def guess(product: Product, address: str, username: str, times: int) -> list[int]:
    """Try so many wrong passwords from an address and return the statuses."""
    with at(product, address) as client:
        return [log_in(client, username, f"guess no {n}") for n in range(times)]


@dataclass
class Flood:
    """The outcomes of an attacker's logins."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """How long each good one took."""


@contextmanager
def flood(product: Product, address: str, usernames: Sequence[str]) -> Iterator[Flood]:
    """Log in from one address without a pause, many at once with each name."""
    told = Flood()
    begun, over = threading.Event(), threading.Event()

    async def repeat(client: httpx.AsyncClient, username: str) -> None:
        body = {"username": username, "password": PASSWORD}
        while not over.is_set():
            begun_at = time.monotonic()
            answer = await client.post(LOGIN, json=body)
            told.statuses[answer.status_code] += 1
            if answer.status_code == httpx.codes.OK:
                told.seconds.append(time.monotonic() - begun_at)
            else:
                await asyncio.sleep(0.3)
            if len(told.seconds) > _ACCOUNTS * _AT_ONCE / 2:
                begun.set()

    async def attack() -> None:
        transport = httpx.AsyncHTTPTransport(
            local_address=address, limits=httpx.Limits(max_connections=None)
        )
        async with (
            httpx.AsyncClient(base_url=product.url, transport=transport, timeout=120) as client,
            asyncio.TaskGroup() as group,
        ):
            for username in usernames:
                for _ in range(_AT_ONCE):
                    group.create_task(repeat(client, username))

    attacker = threading.Thread(target=asyncio.run, args=[attack()])
    attacker.start()
    try:
        assert begun.wait(120)
        del told.seconds[:]
        yield told
    finally:
        over.set()
        attacker.join()


def seconds_of_logins(client: httpx.Client, person: Person) -> list[float]:
    """Return how long each of a few logins took; all of them must be let in."""
    seconds = []
    for _ in range(_TRIES):
        begun_at = time.monotonic()
        assert log_in(client, person.username) == httpx.codes.OK
        seconds.append(time.monotonic() - begun_at)
    return seconds


def test_a_flood_of_good_logins_from_one_address_keeps_no_other_waiting(
    with_settings: Callable[..., Product], capsys: pytest.CaptureFixture[str]
) -> None:
    product = with_settings(**_COSTLY)
    with httpx.Client(base_url=product.url, timeout=60) as client:
        victim = register(client, "victim")
        accounts = [register(client, "flood").username for _ in range(_ACCOUNTS)]
        alone = statistics.median(seconds_of_logins(client, victim))

        with flood(product, somewhere(), accounts) as attacker:
            beside = seconds_of_logins(client, victim)

    theirs = statistics.median(attacker.seconds)
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f" [a login alone {alone:.2f} s, beside a flood {statistics.median(beside):.2f} s,"
            f"  one of the flood {theirs:.2f} s; {dict(attacker.statuses)}]"
        )
    assert attacker.statuses.keys() <= {200, 429}
    assert statistics.median(beside) < _MOST_OF_THEIR_TIME * theirs


def test_wrong_passwords_from_elsewhere_do_not_lock_the_owner_out(
    product: Product, minji: Person
) -> None:
    elsewhere, new_home = somewhere(), somewhere()

    assert guess(product, elsewhere, minji.username, 12) == [401] * 10 + [429] * 2

    assert log_in(minji.client, minji.username) == httpx.codes.OK
    with at(product, new_home) as client:
        assert log_in(client, minji.username) == httpx.codes.OK


def test_an_address_that_logged_in_before_is_let_in_whatever_many_others_guess(
    product: Product, minji: Person
) -> None:
    for _ in range(10):
        guess(product, somewhere(), minji.username, 10)

    with at(product, somewhere()) as client:
        assert log_in(client, minji.username) == httpx.codes.TOO_MANY_REQUESTS
    assert log_in(minji.client, minji.username) == httpx.codes.OK
    assert guess(product, "127.0.0.1", minji.username, 11) == [401] * 10 + [429]
