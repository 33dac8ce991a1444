from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from madang_auth.metrics import AuthMetrics
from madang_auth.problems import WrongCredentials
from madang_auth.settings import AuthSettings
from madang_auth.throttle.limiter import Limiter, limits_of
from madang_auth.throttle.sqlite import SqliteThrottle
from madang_common.http.forwarded import site
from madang_common.problems import Conflict, TooManyRequests, Unavailable
from madang_common.settings import Environment
from services.auth.tests.harness import Time

HERE = "203.0.113.9"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def limiter(tmp_path: Path, time: Time) -> AsyncGenerator[Limiter]:
    throttle = await SqliteThrottle.open_file(tmp_path / "throttle.db")
    settings = AuthSettings(environment=Environment.DEVELOPMENT)
    metrics = AuthMetrics(CollectorRegistry())
    yield Limiter(throttle, limits_of(settings), metrics=metrics, clock=time)
    await throttle.close()


async def guess(limiter: Limiter, address: str, username: str = "mina") -> bool:
    """Try a wrong password; return whether it was verified."""
    verified = False
    with suppress(WrongCredentials, TooManyRequests):
        async with limiter.login(username, address):
            verified = True
            raise WrongCredentials
    return verified


async def log_in(limiter: Limiter, address: str, username: str = "mina") -> None:
    async with limiter.login(username, address):
        pass


@pytest.mark.parametrize(
    ("addresses", "at_once", "an_hour"), [(1, 10, 40), (3, 30, 120), (10, 100, 400), (20, 100, 400)]
)
async def test_guesses_for_one_username_are_limited_per_address_and_in_all(
    limiter: Limiter, time: Time, addresses: int, at_once: int, an_hour: int
) -> None:
    sites = [f"198.51.100.{n}" for n in range(addresses)]

    first = sum([await guess(limiter, address) for address in sites * 11])
    later = 0
    for _ in range(240):
        time.advance(15)
        later += sum([await guess(limiter, address) for address in sites])

    assert (first, later) == (at_once, an_hour)


async def test_guesses_from_one_address_are_limited_over_all_usernames(
    limiter: Limiter, time: Time
) -> None:
    first = sum([await guess(limiter, HERE, f"user-{n}") for n in range(300)])
    time.advance(3600)
    later = sum([await guess(limiter, HERE, f"user-{n}") for n in range(300)])

    assert (first, later) == (200, 200)


async def test_a_user_can_log_in_from_a_known_address_while_others_guess(
    limiter: Limiter, time: Time
) -> None:
    await log_in(limiter, HERE)
    for _ in range(3):
        for n in range(20):
            while await guess(limiter, f"198.51.100.{n}"):
                pass
        await log_in(limiter, HERE)
        with pytest.raises(TooManyRequests):
            await log_in(limiter, "192.0.2.1")
        time.advance(600)


@pytest.mark.parametrize("problem", [Unavailable, TooManyRequests])
async def test_an_attempt_that_was_not_verified_does_not_count(
    limiter: Limiter, problem: type[Unavailable | TooManyRequests]
) -> None:
    for _ in range(700):
        with pytest.raises(problem):
            async with limiter.login("mina", HERE):
                raise problem

    await log_in(limiter, HERE)


async def test_another_problem_counts_neither_as_a_failure_nor_as_a_login(
    limiter: Limiter,
) -> None:
    for _ in range(100):
        with pytest.raises(Conflict):
            async with limiter.login("mina", HERE):
                raise Conflict

    await log_in(limiter, HERE)


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
def test_a_site_is_an_ipv4_address_or_an_ipv6_64_network(address: str, expected: str) -> None:
    assert site(address) == expected
