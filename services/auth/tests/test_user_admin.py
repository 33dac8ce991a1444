"""Disabling and enabling of users by an operator."""

import asyncio

import pytest

from madang_auth.accounts.user_admin import UserAdmin
from madang_common.problems import NotFound, Unavailable
from services.auth.tests.harness import Harness


def user_admin(harness: Harness) -> UserAdmin:
    found: UserAdmin = harness.app.state.user_admin
    return found


async def test_disabling_a_user_ends_their_sessions_and_refuses_logins(harness: Harness) -> None:
    user = await harness.register()
    await harness.register("jun")
    here, phone, other = await harness.login(), await harness.login(), await harness.login("jun")

    ended = await user_admin(harness).disable("mina")

    assert ended == 2
    assert sorted(harness.live.ended()) == sorted([here.claims.session, phone.claims.session])
    refreshed, again = await harness.try_refresh(here.refresh), await harness.try_login()
    me = await harness.client.get("/api/auth/v1/me", headers=phone.headers)
    types = [answer.json()["type"].rpartition(":")[2] for answer in (refreshed, again, me)]
    assert types == ["ended-login", "disabled-account", "ended-login"]
    assert [answer.status_code for answer in (refreshed, again, me)] == [401, 403, 401]
    assert harness.rooms.users[user["id"]]["disabled"] is True
    assert (await harness.try_refresh(other.refresh)).status_code == 200


async def test_disabling_again_completes_an_interrupted_disabling(
    harness: Harness,
) -> None:
    await harness.register()
    pair = await harness.login()
    harness.rooms.named("mina")["disabled"] = True

    ended = [await user_admin(harness).disable("mina") for _ in range(2)]

    assert ended == [1, 0]
    assert harness.live.ended() == [pair.claims.session]


async def test_an_enabled_user_can_log_in_and_ended_sessions_stay_ended(harness: Harness) -> None:
    await harness.register()
    before = await harness.login()
    await user_admin(harness).disable("mina")
    harness.time.advance(1)

    for _ in range(2):
        await user_admin(harness).enable("mina")

    after = await harness.login()
    assert (await harness.try_refresh(before.refresh)).status_code == 401
    assert (await harness.try_refresh(after.refresh)).status_code == 200
    answer = await harness.client.get("/api/auth/v1/me", headers=before.headers)
    assert answer.status_code == 401


async def test_a_login_in_progress_does_not_survive_the_disabling(harness: Harness) -> None:
    await harness.register()

    logins = [asyncio.create_task(harness.try_login()) for _ in range(5)]
    await user_admin(harness).disable("mina")

    for answer in await asyncio.gather(*logins):
        tokens = answer.json().get("refresh_token")
        if tokens is not None:
            assert (await harness.try_refresh(tokens)).status_code == 401
    assert (await harness.try_login()).status_code == 403


async def test_a_username_is_found_in_any_form(harness: Harness) -> None:
    await harness.register()

    await user_admin(harness).disable("\uff2dINA")

    assert (await harness.try_login()).status_code == 403


@pytest.mark.parametrize("name", ["nobody", "", "no such name", "../users", "누구"])
async def test_an_unknown_user_is_not_found(harness: Harness, name: str) -> None:
    with pytest.raises(NotFound, match="there is no user"):
        await user_admin(harness).disable(name)
    with pytest.raises(NotFound, match="there is no user"):
        await user_admin(harness).enable(name)


async def test_with_rooms_unavailable_no_session_ends(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.network.cut = True

    with pytest.raises(Unavailable):
        await user_admin(harness).disable("mina")

    harness.network.cut = False
    assert (await harness.try_refresh(pair.refresh)).status_code == 200
