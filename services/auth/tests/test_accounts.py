import asyncio
import json
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from madang_auth.passwords import Passwords
from services.auth.tests.scene import PASSWORD, Pair, Scene, running

REGISTER = "/api/auth/v1/register"
JSON = {"Content-Type": "application/json"}
PASSWORD_PATH = "/api/auth/v1/password"


async def test_registering_gives_the_user_and_nothing_secret(scene: Scene) -> None:
    body = {"username": "Mina", "password": PASSWORD, "display_name": "미나 🎐"}

    answer = await scene.client.post(REGISTER, json=body)

    assert answer.status_code == 201
    user = answer.json()
    assert user == {"id": user["id"], "username": "mina", "display_name": "미나 🎐"}
    assert scene.rooms.users[user["id"]]["password_hash"].startswith("$argon2id$")


async def test_the_username_stands_in_for_a_missing_display_name(scene: Scene) -> None:
    user = await scene.register("joon")

    assert user["display_name"] == "joon"


async def test_a_taken_username_is_a_conflict_in_any_spelling(scene: Scene) -> None:
    await scene.register("mina")

    answer = await scene.client.post(REGISTER, json={"username": "\uff2dINA", "password": PASSWORD})

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
async def test_a_bad_field_is_refused_and_not_repeated(
    scene: Scene, field: str, value: object
) -> None:
    body = {"username": "mina", "password": PASSWORD, field: value}

    answer = await scene.client.post(REGISTER, content=json.dumps(body), headers=JSON)

    assert answer.status_code == 422
    assert all(field in error["field"] for error in answer.json()["errors"])
    assert PASSWORD not in answer.text
    assert not scene.rooms.users


async def test_registrations_from_one_address_are_throttled(tmp_path: Path) -> None:
    async with running(tmp_path, registrations_per_address=3) as scene:
        for n in range(3):
            await scene.register(f"user-{n}")
        body = {"username": "user-3", "password": PASSWORD}

        refused = await scene.client.post(REGISTER, json=body)
        elsewhere = await scene.at("198.51.100.7").post(REGISTER, json=body)

        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == 1200
        assert elsewhere.status_code == 201
        assert await scene.metric("madang_auth_throttled_total", what="registration") == 1


async def test_registrations_wait_in_the_queue_of_their_address(tmp_path: Path) -> None:
    slow = {"password_hash_passes": 4, "password_hash_memory_kib": 32_768}
    bounds = {"password_hash_workers": 1, "password_hashes_waiting_per_address": 2}

    async def register(client: httpx.AsyncClient, name: str) -> int:
        body = {"username": name, "password": PASSWORD}
        return (await client.post(REGISTER, json=body)).status_code

    async with running(tmp_path, changes=slow | bounds) as scene:
        flood = [asyncio.create_task(register(scene.client, f"many-{n}")) for n in range(12)]
        async with scene.at("198.51.100.7") as elsewhere:
            assert await register(elsewhere, "alone") == 201
        statuses = await asyncio.gather(*flood)

        assert set(statuses) == {201, 429}
        refused = await scene.metric("madang_auth_password_hashes_refused_total", reason="address")
        assert refused == statuses.count(429)


async def test_a_taken_username_counts_as_a_registration(tmp_path: Path) -> None:
    async with running(tmp_path, registrations_per_address=2) as scene:
        await scene.register("mina")
        body = {"username": "mina", "password": PASSWORD}

        answers = [await scene.client.post(REGISTER, json=body) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [409, 429]


async def test_registering_without_rooms_asks_to_try_again(scene: Scene) -> None:
    scene.network.cut = True

    answer = await scene.client.post(REGISTER, json={"username": "mina", "password": PASSWORD})

    assert answer.status_code == 503


async def test_me_is_who_is_logged_in(scene: Scene) -> None:
    user = await scene.register("mina")
    pair = await scene.login("mina")

    answer = await scene.client.get("/api/auth/v1/me", headers=pair.headers)

    assert answer.status_code == 200
    assert answer.json() == user


async def test_me_without_a_token_is_unauthenticated(scene: Scene) -> None:
    answer = await scene.client.get("/api/auth/v1/me")

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def change_password(
    scene: Scene, pair: Pair, current: str, new: str = "another password"
) -> int:
    body = {"current_password": current, "new_password": new}
    answer = await scene.client.post(PASSWORD_PATH, json=body, headers=pair.headers)
    return answer.status_code


async def test_a_new_password_ends_all_other_logins(scene: Scene) -> None:
    await scene.register()
    here, phone, tablet = [await scene.login() for _ in range(3)]

    status = await change_password(scene, here, PASSWORD)

    scene.time.advance(1)
    assert status == 204
    assert sorted(scene.live.ended()) == sorted([phone.claims.login, tablet.claims.login])
    assert (await scene.try_refresh(here.refresh)).status_code == 200
    assert (await scene.try_refresh(phone.refresh)).status_code == 401
    assert (await scene.try_login(password=PASSWORD)).status_code == 401
    assert (await scene.try_login(password="another password")).status_code == 200


async def test_a_wrong_current_password_changes_nothing(scene: Scene) -> None:
    await scene.register()
    here, phone = await scene.login(), await scene.login()

    status = await change_password(scene, here, "not my password")

    assert status == 403
    assert scene.live.ended() == []
    assert (await scene.try_refresh(phone.refresh)).status_code == 200
    assert (await scene.try_login(password=PASSWORD)).status_code == 200


async def test_guessing_the_current_password_counts_like_guessing_at_the_login(
    scene: Scene,
) -> None:
    await scene.register()
    here = await scene.login()

    statuses = [await change_password(scene, here, f"guess no {n}") for n in range(11)]

    assert statuses == [403] * 10 + [429]
    assert (await scene.try_login()).status_code == 429


async def test_changes_of_a_password_are_throttled_and_guesses_do_not_count(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, password_changes_per_user=2) as scene:
        await scene.register()
        here = await scene.login()
        for n in range(5):
            await change_password(scene, here, f"guess no {n}")

        statuses = [await change_password(scene, here, PASSWORD, PASSWORD) for _ in range(3)]

        assert statuses == [204, 204, 429]


async def test_a_login_that_ends_meanwhile_changes_no_password(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.register()
    here, phone = await scene.login(), await scene.login()
    hash_now = Passwords.hash

    async def hash_late(passwords: Passwords, password: str, *, address: str) -> str:
        await scene.client.delete(f"/api/auth/v1/logins/{here.claims.login}", headers=phone.headers)
        return await hash_now(passwords, password, address=address)

    monkeypatch.setattr(Passwords, "hash", hash_late)
    status = await change_password(scene, here, PASSWORD)

    assert status == 401
    assert (await scene.try_refresh(phone.refresh)).status_code == 200
    assert (await scene.try_login(password=PASSWORD)).status_code == 200


async def test_of_two_changes_at_once_the_second_needs_the_new_password(scene: Scene) -> None:
    await scene.register()
    await scene.register("joon", "changed elsewhere")
    here = await scene.login()
    changed = scene.rooms.named("joon")["password_hash"]

    def change(user: dict[str, object]) -> None:
        user["password_hash"] = changed

    scene.rooms.before_setting_a_password = change
    status = await change_password(scene, here, PASSWORD)

    assert status == 403
    assert scene.rooms.named("mina")["password_hash"] == changed


async def test_a_hash_renewed_meanwhile_does_not_keep_a_password_from_changing(
    scene: Scene,
) -> None:
    await scene.register()
    here = await scene.login()
    renewed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)

    def renew(user: dict[str, object]) -> None:
        scene.rooms.before_setting_a_password = lambda _: None
        user["password_hash"] = renewed

    scene.rooms.before_setting_a_password = renew

    assert await change_password(scene, here, PASSWORD) == 204
    scene.time.advance(1)
    assert (await scene.try_login(password="another password")).status_code == 200


async def test_a_token_of_an_ended_login_cannot_change_the_password(scene: Scene) -> None:
    await scene.register()
    here = await scene.login()
    await scene.client.post("/api/auth/v1/logout", headers=here.headers)

    status = await change_password(scene, here, PASSWORD)

    assert status == 401
    assert (await scene.try_login()).status_code == 200


async def test_a_disabled_user_cannot_change_the_password(scene: Scene) -> None:
    await scene.register()
    here = await scene.login()
    scene.rooms.named("mina")["disabled"] = True

    status = await change_password(scene, here, PASSWORD)

    assert status == 403
