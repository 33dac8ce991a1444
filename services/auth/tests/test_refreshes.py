import asyncio
from pathlib import Path

import pytest

from services.auth.tests.harness import Harness, running

GRACE = 10
DAY = 86_400


async def test_a_refresh_returns_a_new_pair_of_the_same_session(harness: Harness) -> None:
    await harness.register()
    first = await harness.login()
    harness.time.advance(300)

    second = await harness.refresh(first.refresh)

    assert second.refresh != first.refresh
    assert second.access != first.access
    assert second.claims.session == first.claims.session
    assert second.claims.expires_at == first.claims.expires_at + 300


async def test_reuse_of_a_refresh_token_after_the_grace_ends_the_session(harness: Harness) -> None:
    await harness.register()
    first = await harness.login()
    second = await harness.refresh(first.refresh)
    harness.time.advance(GRACE + 1)

    reused = await harness.try_refresh(first.refresh)

    assert reused.status_code == 401
    assert harness.live.ended() == [first.claims.session]
    assert (await harness.try_refresh(second.refresh)).status_code == 401
    assert await harness.metric("madang_auth_refreshes_total", result="reused") == 1


async def test_a_client_that_lost_the_answer_gets_the_same_successor_within_the_grace(
    harness: Harness,
) -> None:
    await harness.register()
    first = await harness.login()
    lost = await harness.refresh(first.refresh)
    harness.time.advance(GRACE)

    again = await harness.refresh(first.refresh)

    assert again.refresh == lost.refresh
    assert harness.live.ended() == []
    assert (await harness.try_refresh(again.refresh)).status_code == 200


async def test_a_repeated_refresh_does_not_extend_the_grace(harness: Harness) -> None:
    await harness.register()
    first = await harness.login()
    await harness.refresh(first.refresh)
    harness.time.advance(GRACE - 1)
    await harness.refresh(first.refresh)
    harness.time.advance(2)

    answer = await harness.try_refresh(first.refresh)

    assert answer.status_code == 401
    assert harness.live.ended() == [first.claims.session]


async def test_a_token_whose_successor_was_used_is_reused_even_within_the_grace(
    harness: Harness,
) -> None:
    await harness.register()
    first = await harness.login()
    second = await harness.refresh(first.refresh)
    third = await harness.refresh(second.refresh)

    answer = await harness.try_refresh(first.refresh)

    assert answer.status_code == 401
    assert harness.live.ended() == [first.claims.session]
    assert (await harness.try_refresh(third.refresh)).status_code == 401


async def test_reuse_of_a_much_older_token_is_detected(harness: Harness) -> None:
    await harness.register()
    first = await harness.login()
    latest = first
    for _ in range(20):
        harness.time.advance(300)
        latest = await harness.refresh(latest.refresh)

    await harness.try_refresh(first.refresh)

    assert harness.live.ended() == [first.claims.session]


async def test_concurrent_refreshes_with_one_token_get_one_successor(harness: Harness) -> None:
    await harness.register()
    first = await harness.login()

    pairs = await asyncio.gather(*(harness.refresh(first.refresh) for _ in range(20)))

    assert len({pair.refresh for pair in pairs}) == 1
    assert await harness.metric("madang_auth_refreshes_total", result="rotated") == 1
    assert await harness.metric("madang_auth_refreshes_total", result="repeated") == 19
    assert (await harness.try_refresh(pairs[0].refresh)).status_code == 200


async def test_without_a_grace_one_of_many_concurrent_refreshes_rotates_and_the_session_ends(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, refresh_grace_seconds=-1) as harness:
        await harness.register()
        first = await harness.login()

        answers = await asyncio.gather(*(harness.try_refresh(first.refresh) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
        assert harness.live.ended() == [first.claims.session]


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "a.b.c", "0" * 24 + "." + "a" * 20 + "." + "b" * 44, "é" * 90, "0" * 90],
)
async def test_a_malformed_token_is_refused(harness: Harness, token: str) -> None:
    answer = await harness.try_refresh(token)

    assert answer.status_code == 401
    assert await harness.metric("madang_auth_refreshes_total", result="unknown") == 1


async def test_a_session_id_alone_does_not_end_the_session(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    forged = f"{pair.claims.session}.{'a' * 20}.{'b' * 44}"

    answer = await harness.try_refresh(forged)

    assert answer.status_code == 401
    assert harness.live.ended() == []
    assert (await harness.try_refresh(pair.refresh)).status_code == 200


async def test_an_idle_session_expires(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.time.advance(30 * DAY - 1)
    pair = await harness.refresh(pair.refresh)
    harness.time.advance(30 * DAY)

    answer = await harness.try_refresh(pair.refresh)

    assert answer.status_code == 401


async def test_a_refreshed_session_expires_at_its_absolute_lifetime(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    for _ in range(17):
        harness.time.advance(10 * DAY)
        pair = await harness.refresh(pair.refresh)
    harness.time.advance(10 * DAY)

    answer = await harness.try_refresh(pair.refresh)

    assert answer.status_code == 401


async def test_a_new_display_name_is_in_the_next_token(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.rooms.named("mina")["display_name"] = "미나"

    pair = await harness.refresh(pair.refresh)

    assert pair.claims.name == "미나"


async def test_a_session_can_be_refreshed_while_rooms_is_unavailable(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    harness.network.cut = True

    answer = await harness.try_refresh(pair.refresh)

    harness.network.cut = False
    assert answer.status_code == 200
    assert (await harness.pair(answer)).claims.name == "mina"
    assert await harness.metric("madang_auth_refreshes_unchecked_total") == 1


async def test_the_sessions_of_a_disabled_user_end_at_the_next_refresh(harness: Harness) -> None:
    await harness.register()
    here, phone = await harness.login(), await harness.login()
    harness.rooms.named("mina")["disabled"] = True

    answer = await harness.try_refresh(here.refresh)

    assert answer.status_code == 401
    assert sorted(harness.live.ended()) == sorted([here.claims.session, phone.claims.session])


async def test_the_session_of_a_deleted_user_ends_at_the_next_refresh(harness: Harness) -> None:
    user = await harness.register()
    pair = await harness.login()
    del harness.rooms.users[user["id"]]

    answer = await harness.try_refresh(pair.refresh)

    assert answer.status_code == 401
    assert harness.live.ended() == [pair.claims.session]


async def test_the_grace_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register()
        first = await harness.login()
        lost = await harness.refresh(first.refresh)

    async with running(tmp_path, rooms=harness.rooms, time=harness.time) as again:
        repeated = await again.refresh(first.refresh)

        assert repeated.refresh == lost.refresh


async def test_no_token_is_stored_in_clear(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register()
        first = await harness.login()
        second = await harness.refresh(first.refresh)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "auth").glob("*.db*"))

    for pair in (first, second):
        _, family, secret = pair.refresh.split(".")
        assert family.encode() not in stored
        assert secret.encode() not in stored


async def test_refreshes_of_a_user_are_limited(tmp_path: Path) -> None:
    async with running(tmp_path, refreshes_per_user=3) as harness:
        await harness.register("mina")
        await harness.register("joon")
        mina, others, joon = [await harness.login(name) for name in ("mina", "mina", "joon")]
        mina = await harness.refresh(mina.refresh)
        others = await harness.refresh(others.refresh)
        mina = await harness.refresh(mina.refresh)

        refused = await harness.try_refresh(mina.refresh)
        harness.time.advance(int(refused.headers["Retry-After"]))
        later = await harness.try_refresh(mina.refresh)

        assert refused.status_code == 429
        assert refused.json()["detail"] == "Too many refreshes by this user; retry after 200 s."
        assert later.status_code == 200
        assert (await harness.try_refresh(joon.refresh)).status_code == 200
        assert await harness.metric("madang_auth_refreshes_total", result="throttled") == 1
