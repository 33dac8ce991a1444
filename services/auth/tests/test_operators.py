"""What becomes of somebody whom an operator shuts out."""

import asyncio

import pytest

from madang_auth.operators import Operator
from madang_common.problems import NotFound, Unavailable
from services.auth.tests.scene import Scene


def operator(scene: Scene) -> Operator:
    found: Operator = scene.app.state.operator
    return found


async def test_a_disabled_user_has_no_logins_and_gets_none(scene: Scene) -> None:
    user = await scene.register()
    await scene.register("jun")
    here, phone, other = await scene.login(), await scene.login(), await scene.login("jun")

    ended = await operator(scene).disable("mina")

    assert ended == 2
    assert sorted(scene.live.ended()) == sorted([here.claims.login, phone.claims.login])
    refreshed, again = await scene.try_refresh(here.refresh), await scene.try_login()
    me = await scene.client.get("/api/auth/v1/me", headers=phone.headers)
    told = [answer.json()["type"].rpartition(":")[2] for answer in (refreshed, again, me)]
    assert told == ["ended-login", "disabled-account", "ended-login"]
    assert [answer.status_code for answer in (refreshed, again, me)] == [401, 403, 401]
    assert scene.rooms.users[user["id"]]["disabled"] is True
    assert (await scene.try_refresh(other.refresh)).status_code == 200


async def test_whose_disabling_was_cut_short_is_shut_out_by_the_same_again(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    scene.rooms.named("mina")["disabled"] = True

    ended = [await operator(scene).disable("mina") for _ in range(2)]

    assert ended == [1, 0]
    assert scene.live.ended() == [pair.claims.login]


async def test_an_enabled_user_logs_in_again_and_what_has_ended_stays_so(scene: Scene) -> None:
    await scene.register()
    before = await scene.login()
    await operator(scene).disable("mina")
    scene.time.advance(1)

    for _ in range(2):
        await operator(scene).enable("mina")

    after = await scene.login()
    assert (await scene.try_refresh(before.refresh)).status_code == 401
    assert (await scene.try_refresh(after.refresh)).status_code == 200
    answer = await scene.client.get("/api/auth/v1/me", headers=before.headers)
    assert answer.status_code == 401


async def test_no_login_under_way_gets_past_the_disabling(scene: Scene) -> None:
    await scene.register()

    logins = [asyncio.create_task(scene.try_login()) for _ in range(5)]
    await operator(scene).disable("mina")

    for answer in await asyncio.gather(*logins):
        tokens = answer.json().get("refresh_token")
        if tokens is not None:
            assert (await scene.try_refresh(tokens)).status_code == 401
    assert (await scene.try_login()).status_code == 403


async def test_a_name_is_found_however_it_is_written(scene: Scene) -> None:
    await scene.register()

    await operator(scene).disable("\uff2dINA")

    assert (await scene.try_login()).status_code == 403


@pytest.mark.parametrize("name", ["nobody", "", "no such name", "../users", "누구"])
async def test_who_is_not_there_can_be_neither_disabled_nor_enabled(
    scene: Scene, name: str
) -> None:
    with pytest.raises(NotFound, match="there is no user"):
        await operator(scene).disable(name)
    with pytest.raises(NotFound, match="there is no user"):
        await operator(scene).enable(name)


async def test_with_rooms_away_nothing_is_done(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    scene.network.cut = True

    with pytest.raises(Unavailable):
        await operator(scene).disable("mina")

    scene.network.cut = False
    assert (await scene.try_refresh(pair.refresh)).status_code == 200
