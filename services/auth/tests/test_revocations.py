"""The list of ended sessions, and how other services use it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from madang_common.http.backends import open_backends
from madang_common.http.client import create_client
from madang_common.problems import Unauthenticated
from madang_common.settings import CommonSettings
from madang_common.tokens.revocations import follow_revocations
from madang_common.tokens.service import ClientCredentials
from madang_common.tokens.verifier import TokenVerifier, Verifiers
from services.auth.tests.harness import PASSWORD, SECRET, Harness, Rooms, Time, running


async def as_service(harness: Harness) -> dict[str, str]:
    auth = create_client("http://auth", transport=harness.network)
    token = await ClientCredentials(auth, name="history", secret=SECRET).token()
    return {"Authorization": f"Bearer {token}"}


async def revocations(harness: Harness, **parameters: str) -> dict[str, Any]:
    answer = await harness.client.get(
        "/internal/revocations", params=parameters, headers=await as_service(harness)
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def log_out(harness: Harness, refresh_token: str) -> None:
    body = {"refresh_token": refresh_token}
    answer = await harness.client.post("/api/auth/v1/logout", json=body)
    assert answer.status_code == 204


@asynccontextmanager
async def another_service(harness: Harness) -> AsyncGenerator[TokenVerifier]:
    """Yield the verifier of a service that receives no live events."""
    auth = create_client("http://auth", transport=harness.network)
    verifier = Verifiers.from_jwks(auth, issuer="madang", clock=harness.time).users
    settings = CommonSettings(
        service_client_secret=SecretStr(SECRET), revocations_poll_seconds=0.01
    )
    async with (
        open_backends(settings, service="history", transport=harness.network) as backends,
        follow_revocations(
            "history", settings, verifier, auth=backends.auth, registry=CollectorRegistry()
        ),
    ):
        yield verifier


async def refused_in_time(verifier: TokenVerifier, token: str) -> None:
    """Return when `token` is refused because its session has ended."""

    async def try_on() -> None:
        while True:
            await verifier.verify(token)
            await asyncio.sleep(0.005)

    with pytest.raises(Unauthenticated, match="session has ended"):
        await asyncio.wait_for(try_on(), 10)


async def test_only_services_may_ask(harness: Harness) -> None:
    await harness.register()
    pair = await harness.login()

    anonymous = await harness.client.get("/internal/revocations")
    user = await harness.client.get("/internal/revocations", headers=pair.headers)

    assert (anonymous.status_code, user.status_code) == (401, 401)


async def test_an_ended_session_is_listed_once_after_a_cursor(harness: Harness) -> None:
    user = await harness.register()
    pair = await harness.login()
    before = await revocations(harness)

    await log_out(harness, pair.refresh)
    after = await revocations(harness, after=before["cursor"])

    assert before["items"] == []
    assert after["items"] == [
        {"user": user["id"], "login": pair.claims.session, "keep": None, "at": harness.time()}
    ]
    assert (await revocations(harness, after=after["cursor"])) == {
        "items": [],
        "cursor": after["cursor"],
    }
    assert (await revocations(harness))["items"] == after["items"]


async def test_a_change_of_password_revokes_all_other_sessions(
    harness: Harness,
) -> None:
    user = await harness.register()
    other, mine = await harness.login(), await harness.login()

    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    await harness.client.post("/api/auth/v1/password", json=body, headers=mine.headers)
    revoked = (await revocations(harness))["items"]

    one = {"user": user["id"], "login": other.claims.session, "keep": None, "at": harness.time()}
    everyone = one | {"login": None, "keep": mine.claims.session}
    # Before the password is changed, and again after it.
    assert revoked == [everyone, one, everyone]


async def test_the_sessions_of_a_disabled_user_are_revoked(harness: Harness) -> None:
    user = await harness.register()
    pair = await harness.login()
    harness.rooms.named("mina")["disabled"] = True

    await harness.try_refresh(pair.refresh)

    revoked = (await revocations(harness))["items"]
    assert [(item["user"], item["login"]) for item in revoked] == [
        (user["id"], None),
        (user["id"], pair.claims.session),
    ]


async def test_another_service_refuses_a_revoked_token_without_a_live_notice(
    harness: Harness,
) -> None:
    await harness.register()
    ended, kept = await harness.login(), await harness.login()
    async with another_service(harness) as verifier:
        await verifier.verify(ended.access)

        await log_out(harness, ended.refresh)

        await refused_in_time(verifier, ended.access)
        assert await verifier.verify(kept.access) == kept.claims


async def test_a_service_refuses_a_revoked_token_from_its_start(harness: Harness) -> None:
    await harness.register()
    ended = await harness.login()
    await log_out(harness, ended.refresh)

    async with another_service(harness) as verifier:
        with pytest.raises(Unauthenticated, match="session has ended"):
            await verifier.verify(ended.access)


async def test_ended_sessions_are_listed_after_a_restart_of_auth(tmp_path: Path) -> None:
    rooms, time = Rooms(), Time()
    async with running(tmp_path, rooms=rooms, time=time) as harness:
        await harness.register()
        ended = await harness.login()
        await log_out(harness, ended.refresh)

    async with (
        running(tmp_path, rooms=rooms, time=time) as harness,
        another_service(harness) as verifier,
    ):
        with pytest.raises(Unauthenticated, match="session has ended"):
            await verifier.verify(ended.access)


async def test_a_login_after_a_change_of_password_is_not_revoked(harness: Harness) -> None:
    await harness.register()
    mine = await harness.login()
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    await harness.client.post("/api/auth/v1/password", json=body, headers=mine.headers)
    harness.time.advance(0.001)

    new = await harness.login(password="another horse battery")

    async with another_service(harness) as verifier:
        assert await verifier.verify(new.access) == new.claims
        assert await verifier.verify(mine.access) == mine.claims
