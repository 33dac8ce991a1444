import asyncio
from pathlib import Path

import httpx

from services.auth.tests.harness import PASSWORD, Harness, running


async def verifications(harness: Harness) -> float:
    return await harness.metric("madang_auth_password_hash_seconds_count", operation="verify")


async def try_at(
    harness: Harness, address: str, username: str = "mina", password: str = PASSWORD
) -> httpx.Response:
    body = {"username": username, "password": password}
    async with harness.at(address) as client:
        return await client.post("/api/auth/v1/login", json=body)


async def guess(harness: Harness, times: int, address: str, username: str = "mina") -> list[int]:
    """Try so many wrong passwords and return the statuses."""
    return [
        (await try_at(harness, address, username, f"guess no {n}")).status_code
        for n in range(times)
    ]


async def test_wrong_passwords_for_a_username_are_limited_per_address(harness: Harness) -> None:
    await harness.register("mina")
    assert await guess(harness, 11, "198.51.100.7") == [401] * 10 + [429]

    refused = await try_at(harness, "198.51.100.7")
    others_name = await try_at(harness, "198.51.100.7", "joon")
    owner = await harness.try_login("mina")
    harness.time.advance(int(refused.headers["Retry-After"]))
    later = await try_at(harness, "198.51.100.7")

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == 90
    assert refused.json()["detail"] == (
        "Too many wrong passwords for this username; retry after 90 s."
    )
    assert others_name.status_code == 401
    assert owner.status_code == 200
    assert later.status_code == 200


async def test_guesses_elsewhere_do_not_lock_the_user_out(harness: Harness) -> None:
    await harness.register("mina")
    await guess(harness, 10, "198.51.100.7")

    for n in range(60):
        harness.time.advance(90)
        await guess(harness, 2, "198.51.100.7")
        owner = await try_at(harness, f"203.0.113.{n}")
        assert owner.status_code == 200


async def test_guesses_from_many_addresses_are_limited_per_username(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_username=30) as harness:
        await harness.register("mina")
        for n in range(3):
            assert await guess(harness, 10, f"198.51.100.{n}") == [401] * 10

        one_more = await try_at(harness, "198.51.100.99")
        harness.time.advance(int(one_more.headers["Retry-After"]))
        later = await try_at(harness, "198.51.100.99")

        assert one_more.status_code == 429
        assert int(one_more.headers["Retry-After"]) == 30
        assert later.status_code == 200


async def test_guesses_elsewhere_do_not_lock_out_a_known_address(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, login_failures_per_username=30) as harness:
        await harness.register("mina")
        await try_at(harness, "2001:db8::1")
        for n in range(4):
            await guess(harness, 10, f"198.51.100.{n}")

        new = await try_at(harness, "203.0.113.1")
        known = await try_at(harness, "2001:db8::2")
        guesses = await guess(harness, 11, "2001:db8::3")

        assert new.status_code == 429
        assert known.status_code == 200
        assert guesses == [401] * 10 + [429]


async def test_other_usernames_do_not_lock_out_a_known_address(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_address=5) as harness:
        await harness.register("mina")
        await harness.login("mina")
        for n in range(5):
            await harness.try_login(f"user-{n}")

        assert (await harness.try_login("joon")).status_code == 429
        assert (await harness.try_login("mina")).status_code == 200


async def test_a_known_address_expires(tmp_path: Path) -> None:
    limits = {"login_failures_per_username": 10, "login_known_address_seconds": 1000}
    async with running(tmp_path, changes=limits) as harness:
        await harness.register("mina")
        await harness.login("mina")
        harness.time.advance(1000)
        await guess(harness, 10, "198.51.100.7")

        assert (await harness.try_login("mina")).status_code == 429


async def test_a_wrong_password_does_not_make_an_address_known(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_username=5) as harness:
        await harness.register("mina")
        await guess(harness, 4, "198.51.100.7")
        await guess(harness, 1, "198.51.100.8")

        assert (await try_at(harness, "198.51.100.7")).status_code == 429


async def test_successful_logins_of_a_user_are_limited_over_all_addresses(tmp_path: Path) -> None:
    async with running(tmp_path, login_successes_per_user=3) as harness:
        await harness.register("mina")
        await harness.register("joon")
        before = await verifications(harness)

        statuses = [(await try_at(harness, f"198.51.100.{n}")).status_code for n in range(5)]

        assert statuses == [200] * 3 + [429] * 2
        assert await verifications(harness) == before + 3
        assert (await harness.try_login("joon")).status_code == 200
        assert await harness.metric("madang_auth_throttled_total", what="login_successes") == 2


async def test_guesses_do_not_count_as_successful_logins(tmp_path: Path) -> None:
    async with running(tmp_path, login_successes_per_user=1) as harness:
        await harness.register("mina")
        guesses = [guess(harness, 5, f"198.51.100.{n}") for n in range(5)]

        await asyncio.gather(*guesses)

        assert (await harness.try_login("mina")).status_code == 200


async def test_all_logins_from_one_address_are_limited(tmp_path: Path) -> None:
    async with running(tmp_path, login_tries_per_address=4) as harness:
        await harness.register("mina")
        for password in (PASSWORD, "not this one") * 2:
            await try_at(harness, "198.51.100.7", "mina", password)

        refused = await try_at(harness, "198.51.100.7")

        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == 225
        assert (await harness.try_login("mina")).status_code == 200


async def test_failed_logins_from_one_address_are_limited_over_all_usernames(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, login_failures_per_address=5) as harness:
        await harness.register("mina")
        for n in range(5):
            await harness.try_login(f"user-{n}")

        refused = await harness.try_login("mina")
        elsewhere = await harness.at("198.51.100.7").post(
            "/api/auth/v1/login", json={"username": "mina", "password": PASSWORD}
        )

        assert refused.status_code == 429
        assert elsewhere.status_code == 200


async def test_successful_logins_do_not_count_as_failures(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_username=2) as harness:
        await harness.register("mina")

        statuses = [(await harness.try_login("mina")).status_code for _ in range(6)]

        assert statuses == [200] * 6


async def test_concurrent_guesses_do_not_exceed_the_limit(harness: Harness) -> None:
    await harness.register("mina")

    answers = await asyncio.gather(*(harness.try_login("mina", f"guess {n}") for n in range(50)))

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(401) == 10
    assert statuses.count(429) == 40


async def test_a_flood_of_logins_above_the_queue_bound_is_refused(tmp_path: Path) -> None:
    slow = {"password_hash_passes": 4, "password_hash_memory_kib": 32_768}
    bounds = {"password_hash_workers": 1, "password_hashes_waiting": 2}
    async with running(tmp_path, changes=slow | bounds) as harness:
        answers = await asyncio.gather(*(harness.try_login(f"user-{n}") for n in range(30)))

        refused = [answer for answer in answers if answer.status_code == 503]
        answered = [answer for answer in answers if answer.status_code == 401]
        assert len(refused) + len(answered) == 30
        assert len(answered) >= 3
        assert refused[0].headers["Retry-After"] == "2"
        assert (await harness.try_login("user-0")).status_code == 401


async def test_a_login_with_rooms_unavailable_is_503_and_counts_no_failure(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, login_failures_per_username=1) as harness:
        await harness.register("mina")
        harness.network.cut = True
        refused = [(await harness.try_login("mina")).status_code for _ in range(2)]
        harness.network.cut = False

        back = await harness.try_login("mina")

        assert refused == [503, 503]
        assert back.status_code == 200


async def test_logins_are_counted_by_result(harness: Harness) -> None:
    await harness.register()
    await harness.login()
    for _ in range(11):
        await harness.try_login(password="not this one")

    counts = {
        result: await harness.metric("madang_auth_logins_total", result=result)
        for result in ("ok", "wrong", "throttled", "disabled", "failed")
    }

    assert counts == {"ok": 1, "wrong": 10, "throttled": 1, "disabled": 0, "failed": 0}
    assert await harness.metric("madang_auth_tokens_issued_total", audience="users") == 1
