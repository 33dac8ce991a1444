import asyncio
from pathlib import Path

import httpx
import jwt
import pytest
from argon2 import PasswordHasher

from madang_common.events.envelope import Event
from madang_common.problems import Unavailable
from services.auth.tests.harness import PASSWORD, Harness, running

LOGINS = "/api/auth/v1/logins"
LOGOUT = "/api/auth/v1/logout"
JSON = {"Content-Type": "application/json"}


async def test_a_login_gives_a_pair_of_tokens(harness: Harness) -> None:
    user = await harness.register()

    answer = await harness.try_login(device="집 노트북")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 600
    claims = (await harness.pair(answer)).claims
    assert (claims.subject, claims.username, claims.name) == (user["id"], "mina", "mina")


async def test_an_access_token_says_what_every_service_expects(harness: Harness) -> None:
    user = await harness.register()
    pair = await harness.login()

    header = jwt.get_unverified_header(pair.access)
    claims = jwt.decode(pair.access, options={"verify_signature": False})

    now = int(harness.time())
    assert header["alg"] == "EdDSA"
    assert claims == {
        "iss": "madang",
        "aud": "madang",
        "sub": user["id"],
        "sid": pair.claims.login,
        "username": "mina",
        "name": "mina",
        "iat": now,
        "exp": now + 600,
        "jti": claims["jti"],
    }
    assert header["kid"] in {key["kid"] for key in await published(harness)}


async def published(harness: Harness) -> list[dict[str, str]]:
    return list((await harness.client.get("/.well-known/jwks.json")).json()["keys"])


async def test_the_username_is_found_in_any_spelling(harness: Harness) -> None:
    await harness.register("mina")

    answer = await harness.try_login("MiNa")

    assert answer.status_code == 200


async def test_decomposed_hangul_is_the_same_password(harness: Harness) -> None:
    await harness.register(password="비밀번호는 마당")

    answer = await harness.try_login(
        password="\u1107\u1175\u1106\u1175\u11af\u1107\u1165\u11ab\u1112\u1169\u1102\u1173\u11ab "
        "\u1106\u1161\u1103\u1161\u11bc"
    )

    assert answer.status_code == 200


async def test_a_wrong_user_and_a_wrong_password_are_told_the_same(harness: Harness) -> None:
    await harness.register("mina")

    wrong = await harness.try_login("mina", "not this one")
    nobody = await harness.try_login("nobody")
    impossible = await harness.try_login("no such name!")

    assert wrong.status_code == nobody.status_code == impossible.status_code == 401
    assert wrong.json() == nobody.json() == impossible.json()


async def test_a_wrong_user_costs_a_verification_too(harness: Harness) -> None:
    for username in ("nobody", "no such name!"):
        before = await verifications(harness)
        await harness.try_login(username)

        assert await verifications(harness) == before + 1


async def verifications(harness: Harness) -> float:
    return await harness.metric("madang_auth_password_hash_seconds_count", operation="verify")


async def test_a_disabled_user_is_told_so_only_with_the_right_password(harness: Harness) -> None:
    await harness.register("mina")
    harness.rooms.named("mina")["disabled"] = True

    right = await harness.try_login("mina")
    wrong = await harness.try_login("mina", "not this one")

    assert right.status_code == 403
    assert right.json()["type"] == "urn:madang:problem:disabled-account"
    assert wrong.status_code == 401


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


async def test_wrong_passwords_for_a_name_are_throttled_at_their_address(harness: Harness) -> None:
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
        "Too many wrong passwords for this username. Try again in 90 s."
    )
    assert others_name.status_code == 401
    assert owner.status_code == 200
    assert later.status_code == 200


async def test_the_owner_logs_in_however_long_somebody_guesses_elsewhere(harness: Harness) -> None:
    await harness.register("mina")
    await guess(harness, 10, "198.51.100.7")

    for n in range(60):
        harness.time.advance(90)
        await guess(harness, 2, "198.51.100.7")
        owner = await try_at(harness, f"203.0.113.{n}")
        assert owner.status_code == 200


async def test_guesses_from_many_addresses_are_throttled_for_the_name(tmp_path: Path) -> None:
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


async def test_where_the_name_logged_in_before_nobody_elsewhere_keeps_it_out(
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


async def test_where_the_name_logged_in_before_no_other_name_keeps_it_out(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_address=5) as harness:
        await harness.register("mina")
        await harness.login("mina")
        for n in range(5):
            await harness.try_login(f"user-{n}")

        assert (await harness.try_login("joon")).status_code == 429
        assert (await harness.try_login("mina")).status_code == 200


async def test_a_known_address_is_forgotten_after_a_while(tmp_path: Path) -> None:
    limits = {"login_failures_per_username": 10, "login_known_address_seconds": 1000}
    async with running(tmp_path, changes=limits) as harness:
        await harness.register("mina")
        await harness.login("mina")
        harness.time.advance(1000)
        await guess(harness, 10, "198.51.100.7")

        assert (await harness.try_login("mina")).status_code == 429


async def test_a_wrong_password_makes_no_address_known(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_username=5) as harness:
        await harness.register("mina")
        await guess(harness, 4, "198.51.100.7")
        await guess(harness, 1, "198.51.100.8")

        assert (await try_at(harness, "198.51.100.7")).status_code == 429


async def test_good_logins_of_a_user_are_throttled_from_everywhere(tmp_path: Path) -> None:
    async with running(tmp_path, login_successes_per_user=3) as harness:
        await harness.register("mina")
        await harness.register("joon")
        before = await verifications(harness)

        statuses = [(await try_at(harness, f"198.51.100.{n}")).status_code for n in range(5)]

        assert statuses == [200] * 3 + [429] * 2
        assert await verifications(harness) == before + 3
        assert (await harness.try_login("joon")).status_code == 200
        assert await harness.metric("madang_auth_throttled_total", what="login_successes") == 2


async def test_guesses_do_not_use_up_the_good_logins_of_a_user(tmp_path: Path) -> None:
    async with running(tmp_path, login_successes_per_user=1) as harness:
        await harness.register("mina")
        guesses = [guess(harness, 5, f"198.51.100.{n}") for n in range(5)]

        await asyncio.gather(*guesses)

        assert (await harness.try_login("mina")).status_code == 200


async def test_logins_from_one_address_are_throttled_right_or_wrong(tmp_path: Path) -> None:
    async with running(tmp_path, login_tries_per_address=4) as harness:
        await harness.register("mina")
        for password in (PASSWORD, "not this one") * 2:
            await try_at(harness, "198.51.100.7", "mina", password)

        refused = await try_at(harness, "198.51.100.7")

        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == 225
        assert (await harness.try_login("mina")).status_code == 200


@pytest.mark.parametrize("username", ["\\u0000", "x" * 64, "%2F..%2F"])
async def test_whatever_is_typed_as_a_username_is_no_more_than_wrong(
    harness: Harness, username: str
) -> None:
    body = f'{{"username":"{username}","password":"{PASSWORD}"}}'

    answer = await harness.client.post("/api/auth/v1/login", content=body, headers=JSON)

    assert answer.status_code == 401


async def test_a_login_while_the_user_is_disabled_ends_at_once(harness: Harness) -> None:
    await harness.register("mina")
    before = await harness.login("mina")
    harness.rooms.before_reading_by_id = lambda found: found.update(disabled=True)

    refused = await harness.try_login("mina")

    assert (refused.status_code, refused.json()["title"]) == (403, "This account is disabled")
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.login]


async def test_a_login_while_rooms_goes_away_leaves_no_login(harness: Harness) -> None:
    await harness.register("mina")
    before = await harness.login("mina")

    def cut(_: object) -> None:
        harness.rooms.before_reading_by_id = lambda _: None
        raise Unavailable

    harness.rooms.before_reading_by_id = cut
    refused = await harness.try_login("mina")

    assert refused.status_code == 503
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.login]


async def test_a_login_while_the_same_password_is_hashed_anew_goes_on(harness: Harness) -> None:
    await harness.register("mina")
    renewed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    harness.rooms.before_reading_by_id = lambda found: found.update(password_hash=renewed)

    assert (await harness.try_login("mina")).status_code == 200


async def test_failed_logins_from_one_address_are_throttled_for_every_username(
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


async def test_good_logins_are_not_counted(tmp_path: Path) -> None:
    async with running(tmp_path, login_failures_per_username=2) as harness:
        await harness.register("mina")

        statuses = [(await harness.try_login("mina")).status_code for _ in range(6)]

        assert statuses == [200] * 6


async def test_many_guesses_at_once_get_no_more_than_the_limit(harness: Harness) -> None:
    await harness.register("mina")

    answers = await asyncio.gather(*(harness.try_login("mina", f"guess {n}") for n in range(50)))

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(401) == 10
    assert statuses.count(429) == 40


async def test_a_flood_of_logins_is_refused_beyond_what_may_wait(tmp_path: Path) -> None:
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


async def test_a_hash_with_old_parameters_is_renewed_at_the_login(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register("mina")
    rooms = harness.rooms
    before = rooms.named("mina")["password_hash"]

    async with running(tmp_path, rooms=rooms, password_hash_passes=2) as harness:
        await harness.login("mina")
        renewed = rooms.named("mina")["password_hash"]
        await harness.login("mina")

        assert "t=1" in before
        assert "t=2" in renewed
        assert rooms.named("mina")["password_hash"] == renewed


async def test_renewing_a_hash_does_not_bring_an_old_password_back(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register("mina")
        await harness.register("joon", "another password")
    rooms = harness.rooms
    changed = rooms.named("joon")["password_hash"]

    async with running(tmp_path, rooms=rooms, password_hash_passes=2) as harness:
        rooms.before_setting_a_password = lambda user: user.update(password_hash=changed)
        await harness.login("mina")

        assert rooms.named("mina")["password_hash"] == changed


async def test_a_login_while_the_password_is_changed_ends_at_once(harness: Harness) -> None:
    await harness.register("mina")
    await harness.register("joon", "another password")
    before = await harness.login("mina")
    changed = harness.rooms.named("joon")["password_hash"]
    harness.rooms.before_reading_by_id = lambda user: user.update(password_hash=changed)

    refused = await harness.try_login("mina")

    assert refused.status_code == 401
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.login]


async def test_an_unusable_hash_lets_nobody_in(harness: Harness) -> None:
    await harness.register("mina")
    harness.rooms.named("mina")["password_hash"] = "$argon2id$broken"

    answer = await harness.try_login("mina")

    assert answer.status_code == 401


async def test_a_login_without_rooms_asks_to_try_again_and_counts_no_failure(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, login_failures_per_username=1) as harness:
        await harness.register("mina")
        harness.network.cut = True
        away = [(await harness.try_login("mina")).status_code for _ in range(2)]
        harness.network.cut = False

        back = await harness.try_login("mina")

        assert away == [503, 503]
        assert back.status_code == 200


async def test_my_logins_are_listed_with_the_one_used_last_first(harness: Harness) -> None:
    await harness.register("mina")
    await harness.register("joon")
    await harness.login("joon")
    phone = await harness.login("mina", device="phone")
    harness.time.advance(60)
    tablet = await harness.login("mina")
    harness.time.advance(60)
    phone = await harness.refresh(phone.refresh)

    answer = await harness.client.get(LOGINS, headers=tablet.headers)

    assert answer.json() == {
        "items": [
            {
                "id": phone.claims.login,
                "device": "phone",
                "created_at": "2027-01-15T08:00:00.000Z",
                "last_used_at": "2027-01-15T08:02:00.000Z",
                "current": False,
            },
            {
                "id": tablet.claims.login,
                "device": None,
                "created_at": "2027-01-15T08:01:00.000Z",
                "last_used_at": "2027-01-15T08:01:00.000Z",
                "current": True,
            },
        ],
        "next": None,
    }


async def test_a_login_ended_from_elsewhere_is_told_and_cannot_refresh(harness: Harness) -> None:
    user = await harness.register()
    here, phone = await harness.login(), await harness.login()

    answer = await harness.client.delete(f"{LOGINS}/{phone.claims.login}", headers=here.headers)

    assert answer.status_code == 204
    expected = Event(
        key=harness.live.events[0].key,
        kind="login.ended",
        user=user["id"],
        sender=user["id"],
        sender_name="mina",
        at="2027-01-15T08:00:00.000Z",
        data={"login": phone.claims.login},
    )
    assert harness.live.events == [expected]
    assert (await harness.try_refresh(phone.refresh)).status_code == 401
    assert (await harness.try_refresh(here.refresh)).status_code == 200


async def test_a_login_of_somebody_else_is_not_found(harness: Harness) -> None:
    await harness.register("mina")
    await harness.register("joon")
    mina, joon = await harness.login("mina"), await harness.login("joon")

    answer = await harness.client.delete(f"{LOGINS}/{mina.claims.login}", headers=joon.headers)

    assert answer.status_code == 404
    assert (await harness.try_refresh(mina.refresh)).status_code == 200


async def test_an_ended_login_cannot_list_or_end_logins(harness: Harness) -> None:
    await harness.register()
    here, phone = await harness.login(), await harness.login()
    await harness.client.delete(f"{LOGINS}/{phone.claims.login}", headers=here.headers)

    listed = await harness.client.get(LOGINS, headers=phone.headers)
    ended = await harness.client.delete(f"{LOGINS}/{here.claims.login}", headers=phone.headers)

    assert listed.status_code == ended.status_code == 401
    assert listed.json()["type"] == "urn:madang:problem:ended-login"


async def test_logging_out_by_refresh_token_is_idempotent(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    body = {"refresh_token": pair.refresh}

    statuses = [(await harness.client.post(LOGOUT, json=body)).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert harness.live.ended() == [pair.claims.login]
    assert (await harness.try_refresh(pair.refresh)).status_code == 401


async def test_logging_out_by_access_token_is_idempotent(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()

    answers = [await harness.client.post(LOGOUT, headers=pair.headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert harness.live.ended() == [pair.claims.login]


async def test_logging_out_works_with_a_token_used_before(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    await harness.refresh(pair.refresh)

    answer = await harness.client.post(LOGOUT, json={"refresh_token": pair.refresh})

    assert answer.status_code == 204
    assert harness.live.ended() == [pair.claims.login]


@pytest.mark.parametrize("token", ["", "x", "0" * 24 + "." + "a" * 20 + "." + "b" * 44])
async def test_logging_out_with_a_meaningless_token_changes_nothing(
    harness: Harness, token: str
) -> None:
    answer = await harness.client.post(LOGOUT, json={"refresh_token": token})

    assert answer.status_code == 204
    assert harness.live.ended() == []


async def test_logging_out_as_nobody_is_unauthenticated(harness: Harness) -> None:
    answers = [
        await harness.client.post(LOGOUT),
        await harness.client.post(LOGOUT, json={}),
        await harness.client.post(LOGOUT, headers={"Authorization": "Bearer nonsense"}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 3


async def test_an_expired_access_token_is_refused(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.time.advance(601)

    answer = await harness.client.get(LOGINS, headers=pair.headers)

    assert answer.status_code == 401


async def test_the_login_unused_for_longest_makes_room_for_one_too_many(tmp_path: Path) -> None:
    async with running(tmp_path, logins_per_user=2) as harness:
        await harness.register()
        first = await harness.login()
        harness.time.advance(1)
        second = await harness.login()
        harness.time.advance(1)
        first = await harness.refresh(first.refresh)

        await harness.login()

        assert harness.live.ended() == [second.claims.login]
        assert (await harness.try_refresh(first.refresh)).status_code == 200


async def test_a_login_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

    async with running(tmp_path, rooms=harness.rooms, time=harness.time) as again:
        kept = await again.client.get(LOGINS, headers=pair.headers)
        refreshed = await again.try_refresh(pair.refresh)

        assert kept.status_code == 200
        assert refreshed.status_code == 200


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
