"""What becomes of somebody whom an operator shuts out."""

import asyncio

import pytest

from madang_auth.accounts.operators import Operator
from madang_common.problems import NotFound, Unavailable
from services.auth.tests.harness import Harness


def operator(harness: Harness) -> Operator:
    found: Operator = harness.app.state.operator
    return found


async def test_a_disabled_user_has_no_logins_and_gets_none(harness: Harness) -> None:
    user = await harness.register()
    await harness.register("jun")
    here, phone, other = await harness.login(), await harness.login(), await harness.login("jun")

    ended = await operator(harness).disable("mina")

    assert ended == 2
    assert sorted(harness.live.ended()) == sorted([here.claims.login, phone.claims.login])
    refreshed, again = await harness.try_refresh(here.refresh), await harness.try_login()
    me = await harness.client.get("/api/auth/v1/me", headers=phone.headers)
    told = [answer.json()["type"].rpartition(":")[2] for answer in (refreshed, again, me)]
    assert told == ["ended-login", "disabled-account", "ended-login"]
    assert [answer.status_code for answer in (refreshed, again, me)] == [401, 403, 401]
    assert harness.rooms.users[user["id"]]["disabled"] is True
    assert (await harness.try_refresh(other.refresh)).status_code == 200


async def test_whose_disabling_was_cut_short_is_shut_out_by_the_same_again(
    harness: Harness,
) -> None:
    await harness.register()
    pair = await harness.login()
    harness.rooms.named("mina")["disabled"] = True

    ended = [await operator(harness).disable("mina") for _ in range(2)]

    assert ended == [1, 0]
    assert harness.live.ended() == [pair.claims.login]


async def test_an_enabled_user_logs_in_again_and_what_has_ended_stays_so(harness: Harness) -> None:
    await harness.register()
    before = await harness.login()
    await operator(harness).disable("mina")
    harness.time.advance(1)

    for _ in range(2):
        await operator(harness).enable("mina")

    after = await harness.login()
    assert (await harness.try_refresh(before.refresh)).status_code == 401
    assert (await harness.try_refresh(after.refresh)).status_code == 200
    answer = await harness.client.get("/api/auth/v1/me", headers=before.headers)
    assert answer.status_code == 401


async def test_no_login_under_way_gets_past_the_disabling(harness: Harness) -> None:
    await harness.register()

    logins = [asyncio.create_task(harness.try_login()) for _ in range(5)]
    await operator(harness).disable("mina")

    for answer in await asyncio.gather(*logins):
        tokens = answer.json().get("refresh_token")
        if tokens is not None:
            assert (await harness.try_refresh(tokens)).status_code == 401
    assert (await harness.try_login()).status_code == 403


async def test_a_name_is_found_however_it_is_written(harness: Harness) -> None:
    await harness.register()

    await operator(harness).disable("\uff2dINA")

    assert (await harness.try_login()).status_code == 403


@pytest.mark.parametrize("name", ["nobody", "", "no such name", "../users", "누구"])
async def test_who_is_not_there_can_be_neither_disabled_nor_enabled(
    harness: Harness, name: str
) -> None:
    with pytest.raises(NotFound, match="there is no user"):
        await operator(harness).disable(name)
    with pytest.raises(NotFound, match="there is no user"):
        await operator(harness).enable(name)


async def test_with_rooms_away_nothing_is_done(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.network.cut = True

    with pytest.raises(Unavailable):
        await operator(harness).disable("mina")

    harness.network.cut = False
    assert (await harness.try_refresh(pair.refresh)).status_code == 200
