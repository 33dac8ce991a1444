import asyncio
import json
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from madang_auth.passwords.passwords import Passwords
from services.auth.tests.harness import PASSWORD, Harness, Pair, running

REGISTER = "/api/auth/v1/register"
JSON = {"Content-Type": "application/json"}
PASSWORD_PATH = "/api/auth/v1/password"


async def test_registering_returns_the_user_without_secrets(harness: Harness) -> None:
    body = {"username": "Mina", "password": PASSWORD, "display_name": "미나 🎐"}

    answer = await harness.client.post(REGISTER, json=body)

    assert answer.status_code == 201
    user = answer.json()
    assert user == {"id": user["id"], "username": "mina", "display_name": "미나 🎐"}
    assert harness.rooms.users[user["id"]]["password_hash"].startswith("$argon2id$")


async def test_the_display_name_defaults_to_the_username(harness: Harness) -> None:
    user = await harness.register("joon")

    assert user["display_name"] == "joon"


async def test_a_taken_username_is_a_conflict_in_any_form(harness: Harness) -> None:
    await harness.register("mina")

    answer = await harness.client.post(
        REGISTER, json={"username": "\uff2dINA", "password": PASSWORD}
    )

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:madang:problem:conflict"
    assert answer.json()["detail"] == "This username is taken."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 33),
        ("username", "민아민아"),
        ("username", "a b c"),
        ("username", "../../x"),
        ("username", 7),
        ("password", "short"),
        ("password", "x" * 257),
        ("password", "\U0001f600" * 257),
        ("password", "\ud800xxxxxxxx"),
        ("display_name", ""),
        ("display_name", "   "),
        ("display_name", "a\u0000b"),
        ("display_name", "a\nb"),
        ("display_name", "a\u202eb"),
        ("display_name", "x" * 65),
        ("role", "admin"),
    ],
)
async def test_an_invalid_field_is_refused_without_its_value(
    harness: Harness, field: str, value: object
) -> None:
    body = {"username": "mina", "password": PASSWORD, field: value}

    answer = await harness.client.post(REGISTER, content=json.dumps(body), headers=JSON)

    assert answer.status_code == 422
    assert all(field in error["field"] for error in answer.json()["errors"])
    assert PASSWORD not in answer.text
    assert not harness.rooms.users


async def test_registrations_from_one_address_are_limited(tmp_path: Path) -> None:
    async with running(tmp_path, registrations_per_address=3) as harness:
        for n in range(3):
            await harness.register(f"user-{n}")
        body = {"username": "user-3", "password": PASSWORD}

        refused = await harness.client.post(REGISTER, json=body)
        elsewhere = await harness.at("198.51.100.7").post(REGISTER, json=body)

        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == 1200
        assert elsewhere.status_code == 201
        assert await harness.metric("madang_auth_throttled_total", what="registration") == 1


async def test_registrations_wait_in_the_queue_of_their_address(tmp_path: Path) -> None:
    slow = {"password_hash_passes": 4, "password_hash_memory_kib": 32_768}
    bounds = {"password_hash_workers": 1, "password_hashes_waiting_per_address": 2}

    async def register(client: httpx.AsyncClient, name: str) -> int:
        body = {"username": name, "password": PASSWORD}
        return (await client.post(REGISTER, json=body)).status_code

    async with running(tmp_path, changes=slow | bounds) as harness:
        flood = [asyncio.create_task(register(harness.client, f"many-{n}")) for n in range(12)]
        async with harness.at("198.51.100.7") as elsewhere:
            assert await register(elsewhere, "alone") == 201
        statuses = await asyncio.gather(*flood)

        assert set(statuses) == {201, 429}
        refused = await harness.metric(
            "madang_auth_password_hashes_refused_total", reason="address"
        )
        assert refused == statuses.count(429)


async def test_a_taken_username_counts_as_a_registration(tmp_path: Path) -> None:
    async with running(tmp_path, registrations_per_address=2) as harness:
        await harness.register("mina")
        body = {"username": "mina", "password": PASSWORD}

        answers = [await harness.client.post(REGISTER, json=body) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [409, 429]


async def test_registering_with_rooms_unavailable_is_503(harness: Harness) -> None:
    harness.network.cut = True

    answer = await harness.client.post(REGISTER, json={"username": "mina", "password": PASSWORD})

    assert answer.status_code == 503


async def test_me_returns_the_logged_in_user(harness: Harness) -> None:
    user = await harness.register("mina")
    pair = await harness.login("mina")

    answer = await harness.client.get("/api/auth/v1/me", headers=pair.headers)

    assert answer.status_code == 200
    assert answer.json() == user


async def test_me_without_a_token_is_unauthenticated(harness: Harness) -> None:
    answer = await harness.client.get("/api/auth/v1/me")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def change_password(
    harness: Harness, pair: Pair, current: str, new: str = "another password"
) -> int:
    body = {"current_password": current, "new_password": new}
    answer = await harness.client.post(PASSWORD_PATH, json=body, headers=pair.headers)
    return answer.status_code


async def test_a_change_of_password_ends_all_other_sessions(harness: Harness) -> None:
    await harness.register()
    here, phone, tablet = [await harness.login() for _ in range(3)]

    status = await change_password(harness, here, PASSWORD)

    harness.time.advance(1)
    assert status == 204
    assert sorted(harness.live.ended()) == sorted([phone.claims.session, tablet.claims.session])
    assert (await harness.try_refresh(here.refresh)).status_code == 200
    assert (await harness.try_refresh(phone.refresh)).status_code == 401
    assert (await harness.try_login(password=PASSWORD)).status_code == 401
    assert (await harness.try_login(password="another password")).status_code == 200


async def test_a_wrong_current_password_changes_nothing(harness: Harness) -> None:
    await harness.register()
    here, phone = await harness.login(), await harness.login()

    status = await change_password(harness, here, "not my password")

    assert status == 403
    assert harness.live.ended() == []
    assert (await harness.try_refresh(phone.refresh)).status_code == 200
    assert (await harness.try_login(password=PASSWORD)).status_code == 200


async def test_a_wrong_current_password_counts_as_a_failed_login(
    harness: Harness,
) -> None:
    await harness.register()
    here = await harness.login()

    statuses = [await change_password(harness, here, f"guess no {n}") for n in range(11)]

    assert statuses == [403] * 10 + [429]
    assert (await harness.try_login()).status_code == 429


async def test_changes_of_password_are_limited_and_failures_do_not_count(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, password_changes_per_user=2) as harness:
        await harness.register()
        here = await harness.login()
        for n in range(5):
            await change_password(harness, here, f"guess no {n}")

        statuses = [await change_password(harness, here, PASSWORD, PASSWORD) for _ in range(3)]

        assert statuses == [204, 204, 429]


async def test_a_session_that_ends_meanwhile_changes_no_password(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.register()
    here, phone = await harness.login(), await harness.login()
    hash_now = Passwords.hash

    async def hash_late(passwords: Passwords, password: str, *, address: str) -> str:
        await harness.client.delete(
            f"/api/auth/v1/logins/{here.claims.session}", headers=phone.headers
        )
        return await hash_now(passwords, password, address=address)

    monkeypatch.setattr(Passwords, "hash", hash_late)
    status = await change_password(harness, here, PASSWORD)

    assert status == 401
    assert (await harness.try_refresh(phone.refresh)).status_code == 200
    assert (await harness.try_login(password=PASSWORD)).status_code == 200


async def test_of_two_concurrent_changes_the_second_needs_the_new_password(
    harness: Harness,
) -> None:
    await harness.register()
    await harness.register("joon", "changed elsewhere")
    here = await harness.login()
    changed = harness.rooms.named("joon")["password_hash"]

    def change(user: dict[str, object]) -> None:
        user["password_hash"] = changed

    harness.rooms.before_setting_a_password = change
    status = await change_password(harness, here, PASSWORD)

    assert status == 403
    assert harness.rooms.named("mina")["password_hash"] == changed


async def test_a_concurrently_renewed_hash_does_not_prevent_a_change_of_password(
    harness: Harness,
) -> None:
    await harness.register()
    here = await harness.login()
    renewed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)

    def renew(user: dict[str, object]) -> None:
        harness.rooms.before_setting_a_password = lambda _: None
        user["password_hash"] = renewed

    harness.rooms.before_setting_a_password = renew

    assert await change_password(harness, here, PASSWORD) == 204
    harness.time.advance(1)
    assert (await harness.try_login(password="another password")).status_code == 200


async def test_a_token_of_an_ended_session_cannot_change_the_password(harness: Harness) -> None:
    await harness.register()
    here = await harness.login()
    await harness.client.post("/api/auth/v1/logout", headers=here.headers)

    status = await change_password(harness, here, PASSWORD)

    assert status == 401
    assert (await harness.try_login()).status_code == 200


async def test_a_disabled_user_cannot_change_the_password(harness: Harness) -> None:
    await harness.register()
    here = await harness.login()
    harness.rooms.named("mina")["disabled"] = True

    status = await change_password(harness, here, PASSWORD)

    assert status == 403
