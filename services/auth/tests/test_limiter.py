from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from madang_auth.metrics import AuthMetrics
from madang_auth.problems import WrongCredentials
from madang_auth.settings import AuthSettings
from madang_auth.throttle.limiter import Limiter
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_auth.wiring import limits
from madang_common.http.forwarded import site
from madang_common.problems import Conflict, TooManyRequests, Unavailable
from madang_common.settings import Environment
from services.auth.tests.harness import Time

HERE = "203.0.113.9"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def gate(tmp_path: Path, time: Time) -> AsyncGenerator[Limiter]:
    throttle = await SqliteThrottle.open_file(tmp_path / "throttle.db")
    settings = AuthSettings(environment=Environment.DEVELOPMENT)
    metrics = AuthMetrics(CollectorRegistry())
    yield Limiter(throttle, limits(settings), metrics=metrics, clock=time)
    await throttle.close()


async def guess(gate: Limiter, address: str, username: str = "mina") -> bool:
    """Try a wrong password and return whether it was looked at."""
    looked_at = False
    with suppress(WrongCredentials, TooManyRequests):
        async with gate.login(username, address):
            looked_at = True
            raise WrongCredentials
    return looked_at


async def log_in(gate: Limiter, address: str, username: str = "mina") -> None:
    async with gate.login(username, address):
        pass


@pytest.mark.parametrize(
    ("addresses", "at_once", "an_hour"), [(1, 10, 40), (3, 30, 120), (10, 100, 400), (20, 100, 400)]
)
async def test_guesses_on_one_name_are_bounded_by_the_addresses_and_in_all(
    gate: Limiter, time: Time, addresses: int, at_once: int, an_hour: int
) -> None:
    sites = [f"198.51.100.{n}" for n in range(addresses)]

    first = sum([await guess(gate, address) for address in sites * 11])
    later = 0
    for _ in range(240):
        time.advance(15)
        later += sum([await guess(gate, address) for address in sites])

    assert (first, later) == (at_once, an_hour)


async def test_guesses_from_one_address_are_bounded_over_all_names(
    gate: Limiter, time: Time
) -> None:
    first = sum([await guess(gate, HERE, f"user-{n}") for n in range(300)])
    time.advance(3600)
    later = sum([await guess(gate, HERE, f"user-{n}") for n in range(300)])

    assert (first, later) == (200, 200)


async def test_the_owner_is_let_in_where_the_name_is_known_while_all_others_guess(
    gate: Limiter, time: Time
) -> None:
    await log_in(gate, HERE)
    for _ in range(3):
        for n in range(20):
            while await guess(gate, f"198.51.100.{n}"):
                pass
        await log_in(gate, HERE)
        with pytest.raises(TooManyRequests):
            await log_in(gate, "192.0.2.1")
        time.advance(600)


@pytest.mark.parametrize("problem", [Unavailable, TooManyRequests])
async def test_a_try_that_was_not_looked_at_counts_as_nothing(
    gate: Limiter, problem: type[Unavailable | TooManyRequests]
) -> None:
    for _ in range(700):
        with pytest.raises(problem):
            async with gate.login("mina", HERE):
                raise problem

    await log_in(gate, HERE)


async def test_what_fails_for_another_reason_is_no_wrong_password_and_no_good_login(
    gate: Limiter,
) -> None:
    for _ in range(100):
        with pytest.raises(Conflict):
            async with gate.login("mina", HERE):
                raise Conflict

    await log_in(gate, HERE)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_a_site_is_what_one_person_has(address: str, expected: str) -> None:
    assert site(address) == expected
