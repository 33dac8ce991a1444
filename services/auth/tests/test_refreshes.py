import asyncio
from pathlib import Path

import pytest

from services.auth.tests.scene import Scene, running

GRACE = 10
DAY = 86_400


async def test_a_refresh_gives_a_new_pair_of_the_same_login(scene: Scene) -> None:
    await scene.register()
    first = await scene.login()
    scene.time.advance(300)

    second = await scene.refresh(first.refresh)

    assert second.refresh != first.refresh
    assert second.access != first.access
    assert second.claims.login == first.claims.login
    assert second.claims.expires_at == first.claims.expires_at + 300


async def test_a_token_used_again_after_the_grace_ends_the_whole_login(scene: Scene) -> None:
    await scene.register()
    first = await scene.login()
    second = await scene.refresh(first.refresh)
    scene.time.advance(GRACE + 1)

    reused = await scene.try_refresh(first.refresh)

    assert reused.status_code == 401
    assert scene.live.ended() == [first.claims.login]
    assert (await scene.try_refresh(second.refresh)).status_code == 401
    assert await scene.metric("madang_auth_refreshes_total", result="reused") == 1


async def test_a_client_that_lost_the_answer_gets_the_same_successor_within_the_grace(
    scene: Scene,
) -> None:
    await scene.register()
    first = await scene.login()
    lost = await scene.refresh(first.refresh)
    scene.time.advance(GRACE)

    again = await scene.refresh(first.refresh)

    assert again.refresh == lost.refresh
    assert scene.live.ended() == []
    assert (await scene.try_refresh(again.refresh)).status_code == 200


async def test_repeating_does_not_prolong_the_grace(scene: Scene) -> None:
    await scene.register()
    first = await scene.login()
    await scene.refresh(first.refresh)
    scene.time.advance(GRACE - 1)
    await scene.refresh(first.refresh)
    scene.time.advance(2)

    answer = await scene.try_refresh(first.refresh)

    assert answer.status_code == 401
    assert scene.live.ended() == [first.claims.login]


async def test_a_token_whose_successor_was_used_is_reuse_even_within_the_grace(
    scene: Scene,
) -> None:
    await scene.register()
    first = await scene.login()
    second = await scene.refresh(first.refresh)
    third = await scene.refresh(second.refresh)

    answer = await scene.try_refresh(first.refresh)

    assert answer.status_code == 401
    assert scene.live.ended() == [first.claims.login]
    assert (await scene.try_refresh(third.refresh)).status_code == 401


async def test_a_token_from_long_ago_is_recognised_as_reuse(scene: Scene) -> None:
    await scene.register()
    first = await scene.login()
    latest = first
    for _ in range(20):
        scene.time.advance(300)
        latest = await scene.refresh(latest.refresh)

    await scene.try_refresh(first.refresh)

    assert scene.live.ended() == [first.claims.login]


async def test_refreshes_at_once_with_one_token_get_one_successor(scene: Scene) -> None:
    await scene.register()
    first = await scene.login()

    pairs = await asyncio.gather(*(scene.refresh(first.refresh) for _ in range(20)))

    assert len({pair.refresh for pair in pairs}) == 1
    assert await scene.metric("madang_auth_refreshes_total", result="rotated") == 1
    assert await scene.metric("madang_auth_refreshes_total", result="repeated") == 19
    assert (await scene.try_refresh(pairs[0].refresh)).status_code == 200


async def test_without_a_grace_only_one_of_many_at_once_rotates_and_the_login_ends(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, refresh_grace_seconds=-1) as scene:
        await scene.register()
        first = await scene.login()

        answers = await asyncio.gather(*(scene.try_refresh(first.refresh) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
        assert scene.live.ended() == [first.claims.login]


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "a.b.c", "0" * 24 + "." + "a" * 20 + "." + "b" * 44, "é" * 90, "0" * 90],
)
async def test_a_meaningless_token_is_refused(scene: Scene, token: str) -> None:
    answer = await scene.try_refresh(token)

    assert answer.status_code == 401
    assert await scene.metric("madang_auth_refreshes_total", result="unknown") == 1


async def test_knowing_a_logins_id_is_not_enough_to_end_it(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    forged = f"{pair.claims.login}.{'a' * 20}.{'b' * 44}"

    answer = await scene.try_refresh(forged)

    assert answer.status_code == 401
    assert scene.live.ended() == []
    assert (await scene.try_refresh(pair.refresh)).status_code == 200


async def test_a_login_not_refreshed_for_long_has_ended(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    scene.time.advance(30 * DAY - 1)
    pair = await scene.refresh(pair.refresh)
    scene.time.advance(30 * DAY)

    answer = await scene.try_refresh(pair.refresh)

    assert answer.status_code == 401


async def test_a_login_ends_in_the_end_however_much_it_is_used(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    for _ in range(17):
        scene.time.advance(10 * DAY)
        pair = await scene.refresh(pair.refresh)
    scene.time.advance(10 * DAY)

    answer = await scene.try_refresh(pair.refresh)

    assert answer.status_code == 401


async def test_a_new_display_name_is_in_the_next_token(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    scene.rooms.named("mina")["display_name"] = "미나"

    pair = await scene.refresh(pair.refresh)

    assert pair.claims.name == "미나"


async def test_a_login_goes_on_while_rooms_is_away(scene: Scene) -> None:
    await scene.register()
    pair = await scene.login()
    scene.network.cut = True

    answer = await scene.try_refresh(pair.refresh)

    scene.network.cut = False
    assert answer.status_code == 200
    assert (await scene.pair(answer)).claims.name == "mina"
    assert await scene.metric("madang_auth_refreshes_unchecked_total") == 1


async def test_a_disabled_users_logins_end_at_the_next_refresh(scene: Scene) -> None:
    await scene.register()
    here, phone = await scene.login(), await scene.login()
    scene.rooms.named("mina")["disabled"] = True

    answer = await scene.try_refresh(here.refresh)

    assert answer.status_code == 401
    assert sorted(scene.live.ended()) == sorted([here.claims.login, phone.claims.login])


async def test_a_deleted_users_login_ends_at_the_next_refresh(scene: Scene) -> None:
    user = await scene.register()
    pair = await scene.login()
    del scene.rooms.users[user["id"]]

    answer = await scene.try_refresh(pair.refresh)

    assert answer.status_code == 401
    assert scene.live.ended() == [pair.claims.login]


async def test_the_grace_holds_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        await scene.register()
        first = await scene.login()
        lost = await scene.refresh(first.refresh)

    async with running(tmp_path, rooms=scene.rooms, time=scene.time) as again:
        repeated = await again.refresh(first.refresh)

        assert repeated.refresh == lost.refresh


async def test_no_token_is_stored_in_clear(tmp_path: Path) -> None:
    async with running(tmp_path) as scene:
        await scene.register()
        first = await scene.login()
        second = await scene.refresh(first.refresh)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "auth").glob("*.db*"))

    for pair in (first, second):
        _, family, secret = pair.refresh.split(".")
        assert family.encode() not in stored
        assert secret.encode() not in stored


async def test_refreshes_of_a_user_are_throttled(tmp_path: Path) -> None:
    async with running(tmp_path, refreshes_per_user=3) as scene:
        await scene.register("mina")
        await scene.register("joon")
        mina, others, joon = [await scene.login(name) for name in ("mina", "mina", "joon")]
        mina = await scene.refresh(mina.refresh)
        others = await scene.refresh(others.refresh)
        mina = await scene.refresh(mina.refresh)

        refused = await scene.try_refresh(mina.refresh)
        scene.time.advance(int(refused.headers["Retry-After"]))
        later = await scene.try_refresh(mina.refresh)

        assert refused.status_code == 429
        assert refused.json()["detail"] == "Too many refreshes by this user. Try again in 200 s."
        assert later.status_code == 200
        assert (await scene.try_refresh(joon.refresh)).status_code == 200
        assert await scene.metric("madang_auth_refreshes_total", result="throttled") == 1
