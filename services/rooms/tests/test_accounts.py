import asyncio

import pytest

from services.rooms.tests.harness import Harness, read

NARI = {"username": "nari", "password_hash": "$argon2id$v=19$x", "display_name": "나리 🌸"}


async def test_auth_adds_and_finds_an_account(harness: Harness) -> None:
    added = read(await harness.internal("POST", "/users", NARI), 201)

    by_name = read(await harness.internal("GET", "/users/by-username/nari"), 200)
    by_id = read(await harness.internal("GET", f"/users/{added['id']}"), 200)

    assert added == {"id": added["id"], "username": "nari", "display_name": "나리 🌸"}
    assert by_name == by_id == {**added, "password_hash": "$argon2id$v=19$x", "disabled": False}


async def test_a_username_is_found_in_any_form(harness: Harness) -> None:
    added = read(await harness.internal("POST", "/users", {**NARI, "username": "\uff2eaRi"}), 201)

    taken = read(await harness.internal("POST", "/users", NARI), 409)
    found = read(await harness.internal("GET", "/users/by-username/NARI"), 200)

    assert added["username"] == "nari"
    assert taken["type"] == "urn:madang:problem:conflict"
    assert found["id"] == added["id"]


async def test_one_of_concurrent_registrations_gets_the_username(harness: Harness) -> None:
    answers = await asyncio.gather(*(harness.internal("POST", "/users", NARI) for _ in range(6)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_auth_replaces_the_password(harness: Harness) -> None:
    user = read(await harness.internal("POST", "/users", NARI), 201)["id"]

    read(await harness.internal("PUT", f"/users/{user}/password", {"password_hash": "new"}), 204)

    account = read(await harness.internal("GET", f"/users/{user}"), 200)
    assert account["password_hash"] == "new"


async def test_a_password_is_replaced_only_if_the_old_hash_matches(
    harness: Harness,
) -> None:
    user = read(await harness.internal("POST", "/users", NARI), 201)["id"]
    old = read(await harness.internal("GET", f"/users/{user}"), 200)["password_hash"]
    path = f"/users/{user}/password"

    first = {"password_hash": "first", "instead_of": old}
    read(await harness.internal("PUT", path, first), 204)
    late = read(
        await harness.internal("PUT", path, {"password_hash": "late", "instead_of": old}), 409
    )

    account = read(await harness.internal("GET", f"/users/{user}"), 200)
    assert late["type"] == "urn:madang:problem:conflict"
    assert account["password_hash"] == "first"


async def test_auth_disables_and_enables_a_user(harness: Harness) -> None:
    nari, dae = await harness.person("nari"), await harness.person("dae")
    room = await nari.make_room("public")

    for _ in range(2):
        read(await harness.internal("PUT", f"/users/{dae.id}/disabled", {"disabled": True}), 204)
    disabled = read(await harness.internal("GET", f"/users/{dae.id}"), 200)
    refused = read(await dae.request("POST", f"/rooms/{room}/join"), 403)
    read(await harness.internal("PUT", f"/users/{dae.id}/disabled", {"disabled": False}), 204)

    assert disabled["disabled"] is True
    assert refused["detail"] == "Your account is disabled; ask the operator of this server."
    read(await dae.request("POST", f"/rooms/{room}/join"), 200)


async def test_an_unknown_user_is_not_found(harness: Harness) -> None:
    read(await harness.internal("GET", "/users/nobody"), 404)
    read(await harness.internal("GET", "/users/by-username/nobody"), 404)
    read(await harness.internal("GET", "/users/by-username/누구 없어요?"), 404)
    read(await harness.internal("PUT", "/users/nobody/password", {"password_hash": "new"}), 404)
    read(await harness.internal("PUT", "/users/nobody/disabled", {"disabled": True}), 404)


@pytest.mark.parametrize(
    "change",
    [
        {"username": "ab"},
        {"username": "a" * 33},
        {"username": "a b c"},
        {"username": "나리나리"},
        {"username": "nari\n"},
        {"username": None},
        {"display_name": ""},
        {"display_name": " "},
        {"display_name": "가" * 65},
        {"display_name": "a\tb"},
        {"display_name": "a\u2028b"},
        {"password_hash": ""},
        {"password_hash": "x" * 256},
        {"password_hash": "가"},
        {"more": 1},
    ],
)
async def test_an_invalid_account_is_refused(harness: Harness, change: dict[str, object]) -> None:
    problem = read(await harness.internal("POST", "/users", {**NARI, **change}), 422)

    assert problem["type"] == "urn:madang:problem:invalid-body"
    read(await harness.internal("GET", "/users/by-username/nari"), 404)


@pytest.mark.parametrize("service", ["gateway", "history", "rooms"])
async def test_only_auth_sees_accounts(harness: Harness, service: str) -> None:
    nari = await harness.person("nari")
    other = {**NARI, "username": "other"}

    for method, path, body in [
        ("POST", "/users", other),
        ("GET", f"/users/{nari.id}", None),
        ("GET", "/users/by-username/nari", None),
        ("PUT", f"/users/{nari.id}/password", {"password_hash": "new"}),
        ("PUT", f"/users/{nari.id}/disabled", {"disabled": True}),
    ]:
        read(await harness.internal(method, path, body, service), 403)
        with_user_token = await harness.client.request(
            method, f"/internal{path}", json=body, headers=nari.headers
        )
        read(with_user_token, 401)

    account = read(await harness.internal("GET", f"/users/{nari.id}"), 200)
    assert (account["password_hash"], account["disabled"]) == ("$argon2id$hash", False)
    read(await harness.internal("GET", "/users/by-username/other"), 404)
