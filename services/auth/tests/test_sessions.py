from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from services.auth.tests.harness import Harness, running

LOGINS = "/api/auth/v1/logins"
LOGOUT = "/api/auth/v1/logout"


async def test_sessions_are_listed_with_the_last_used_first(harness: Harness) -> None:
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
                "id": phone.claims.session,
                "device": "phone",
                "created_at": "2027-01-15T08:00:00.000Z",
                "last_used_at": "2027-01-15T08:02:00.000Z",
                "current": False,
            },
            {
                "id": tablet.claims.session,
                "device": None,
                "created_at": "2027-01-15T08:01:00.000Z",
                "last_used_at": "2027-01-15T08:01:00.000Z",
                "current": True,
            },
        ],
        "next": None,
    }


async def test_ending_another_session_publishes_a_notice_and_stops_its_refreshes(
    harness: Harness,
) -> None:
    user = await harness.register()
    here, phone = await harness.login(), await harness.login()

    answer = await harness.client.delete(f"{LOGINS}/{phone.claims.session}", headers=here.headers)

    assert answer.status_code == 204
    expected = Event(
        key=harness.live.events[0].key,
        kind="login.ended",
        user=user["id"],
        sender=user["id"],
        sender_name="mina",
        at="2027-01-15T08:00:00.000Z",
        data={"login": phone.claims.session},
    )
    assert harness.live.events == [expected]
    assert (await harness.try_refresh(phone.refresh)).status_code == 401
    assert (await harness.try_refresh(here.refresh)).status_code == 200


async def test_a_session_of_another_user_is_not_found(harness: Harness) -> None:
    await harness.register("mina")
    await harness.register("joon")
    mina, joon = await harness.login("mina"), await harness.login("joon")

    answer = await harness.client.delete(f"{LOGINS}/{mina.claims.session}", headers=joon.headers)

    assert answer.status_code == 404
    assert (await harness.try_refresh(mina.refresh)).status_code == 200


async def test_an_ended_session_cannot_list_or_end_sessions(harness: Harness) -> None:
    await harness.register()
    here, phone = await harness.login(), await harness.login()
    await harness.client.delete(f"{LOGINS}/{phone.claims.session}", headers=here.headers)

    listed = await harness.client.get(LOGINS, headers=phone.headers)
    ended = await harness.client.delete(f"{LOGINS}/{here.claims.session}", headers=phone.headers)

    assert listed.status_code == ended.status_code == 401
    assert listed.json()["type"] == "urn:madang:problem:ended-login"


async def test_logging_out_by_refresh_token_is_idempotent(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    body = {"refresh_token": pair.refresh}

    statuses = [(await harness.client.post(LOGOUT, json=body)).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert harness.live.ended() == [pair.claims.session]
    assert (await harness.try_refresh(pair.refresh)).status_code == 401


async def test_logging_out_by_access_token_is_idempotent(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()

    answers = [await harness.client.post(LOGOUT, headers=pair.headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert harness.live.ended() == [pair.claims.session]


async def test_logging_out_works_with_a_used_refresh_token(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()
    await harness.refresh(pair.refresh)

    answer = await harness.client.post(LOGOUT, json={"refresh_token": pair.refresh})

    assert answer.status_code == 204
    assert harness.live.ended() == [pair.claims.session]


@pytest.mark.parametrize("token", ["", "x", "0" * 24 + "." + "a" * 20 + "." + "b" * 44])
async def test_logging_out_with_a_malformed_token_changes_nothing(
    harness: Harness, token: str
) -> None:
    answer = await harness.client.post(LOGOUT, json={"refresh_token": token})

    assert answer.status_code == 204
    assert harness.live.ended() == []


async def test_logging_out_without_a_token_is_unauthenticated(harness: Harness) -> None:
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


async def test_a_session_above_the_limit_ends_the_one_unused_for_longest(tmp_path: Path) -> None:
    async with running(tmp_path, logins_per_user=2) as harness:
        await harness.register()
        first = await harness.login()
        harness.time.advance(1)
        second = await harness.login()
        harness.time.advance(1)
        first = await harness.refresh(first.refresh)

        await harness.login()

        assert harness.live.ended() == [second.claims.session]
        assert (await harness.try_refresh(first.refresh)).status_code == 200


async def test_a_session_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

    async with running(tmp_path, rooms=harness.rooms, time=harness.time) as again:
        kept = await again.client.get(LOGINS, headers=pair.headers)
        refreshed = await again.try_refresh(pair.refresh)

        assert kept.status_code == 200
        assert refreshed.status_code == 200
