from pathlib import Path

import jwt
import pytest
from argon2 import PasswordHasher

from madang_common.problems import Unavailable
from services.auth.tests.harness import PASSWORD, Harness, running

LOGINS = "/api/auth/v1/logins"
JSON = {"Content-Type": "application/json"}


async def test_a_login_returns_a_pair_of_tokens(harness: Harness) -> None:
    user = await harness.register()

    answer = await harness.try_login(device="집 노트북")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 600
    claims = (await harness.pair(answer)).claims
    assert (claims.subject, claims.username, claims.name) == (user["id"], "mina", "mina")


async def test_an_access_token_has_the_claims_that_services_expect(harness: Harness) -> None:
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
        "sid": pair.claims.session,
        "username": "mina",
        "name": "mina",
        "iat": now,
        "exp": now + 600,
        "jti": claims["jti"],
    }
    assert header["kid"] in {key["kid"] for key in await published(harness)}


async def published(harness: Harness) -> list[dict[str, str]]:
    return list((await harness.client.get("/.well-known/jwks.json")).json()["keys"])


async def test_a_username_is_found_in_any_form(harness: Harness) -> None:
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


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(harness: Harness) -> None:
    await harness.register("mina")

    wrong = await harness.try_login("mina", "not this one")
    unknown = await harness.try_login("nobody")
    impossible = await harness.try_login("no such name!")

    assert wrong.status_code == unknown.status_code == impossible.status_code == 401
    assert wrong.json() == unknown.json() == impossible.json()


async def verifications(harness: Harness) -> float:
    return await harness.metric("madang_auth_password_hash_seconds_count", operation="verify")


async def test_an_unknown_user_costs_a_verification_too(harness: Harness) -> None:
    for username in ("nobody", "no such name!"):
        before = await verifications(harness)
        await harness.try_login(username)

        assert await verifications(harness) == before + 1


async def test_only_the_right_password_reveals_that_the_account_is_disabled(
    harness: Harness,
) -> None:
    await harness.register("mina")
    harness.rooms.named("mina")["disabled"] = True

    right = await harness.try_login("mina")
    wrong = await harness.try_login("mina", "not this one")

    assert right.status_code == 403
    assert right.json()["type"] == "urn:madang:problem:disabled-account"
    assert wrong.status_code == 401


@pytest.mark.parametrize("username", ["\\u0000", "x" * 64, "%2F..%2F"])
async def test_any_text_as_a_username_is_answered_with_401(harness: Harness, username: str) -> None:
    body = f'{{"username":"{username}","password":"{PASSWORD}"}}'

    answer = await harness.client.post("/api/auth/v1/login", content=body, headers=JSON)

    assert answer.status_code == 401


async def test_a_login_during_the_disabling_of_its_user_leaves_no_session(harness: Harness) -> None:
    await harness.register("mina")
    before = await harness.login("mina")
    harness.rooms.before_reading_by_id = lambda found: found.update(disabled=True)

    refused = await harness.try_login("mina")

    assert (refused.status_code, refused.json()["title"]) == (403, "This account is disabled")
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.session]


async def test_a_login_during_an_outage_of_rooms_leaves_no_session(harness: Harness) -> None:
    await harness.register("mina")
    before = await harness.login("mina")

    def cut(_: object) -> None:
        harness.rooms.before_reading_by_id = lambda _: None
        raise Unavailable

    harness.rooms.before_reading_by_id = cut
    refused = await harness.try_login("mina")

    assert refused.status_code == 503
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.session]


async def test_a_login_succeeds_while_the_hash_of_the_same_password_is_renewed(
    harness: Harness,
) -> None:
    await harness.register("mina")
    renewed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    harness.rooms.before_reading_by_id = lambda found: found.update(password_hash=renewed)

    assert (await harness.try_login("mina")).status_code == 200


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


async def test_renewing_a_hash_does_not_restore_an_old_password(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register("mina")
        await harness.register("joon", "another password")
    rooms = harness.rooms
    changed = rooms.named("joon")["password_hash"]

    async with running(tmp_path, rooms=rooms, password_hash_passes=2) as harness:
        rooms.before_setting_a_password = lambda user: user.update(password_hash=changed)
        await harness.login("mina")

        assert rooms.named("mina")["password_hash"] == changed


async def test_a_login_during_a_change_of_password_leaves_no_session(harness: Harness) -> None:
    await harness.register("mina")
    await harness.register("joon", "another password")
    before = await harness.login("mina")
    changed = harness.rooms.named("joon")["password_hash"]
    harness.rooms.before_reading_by_id = lambda user: user.update(password_hash=changed)

    refused = await harness.try_login("mina")

    assert refused.status_code == 401
    listed = await harness.client.get(LOGINS, headers=before.headers)
    assert [login["id"] for login in listed.json()["items"]] == [before.claims.session]


async def test_a_malformed_hash_matches_no_password(harness: Harness) -> None:
    await harness.register("mina")
    harness.rooms.named("mina")["password_hash"] = "$argon2id$broken"

    answer = await harness.try_login("mina")

    assert answer.status_code == 401
