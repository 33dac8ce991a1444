"""auth on Redis: outages of Redis, and several replicas."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from madang_auth.signing.keys import make_first_key
from madang_common.http.client import create_client
from madang_common.ids import new_id
from madang_common.tokens.service import ClientCredentials, ServiceAuth
from services.auth.tests.harness import PASSWORD, SECRET, Harness, Rooms, Time, running
from stack.servers import Redis


@asynccontextmanager
async def on_redis(
    url: str, tmp_path: Path, *, rooms: Rooms | None = None, time: Time | None = None
) -> AsyncGenerator[Harness]:
    """Yield a replica of auth on the Redis at `url`."""
    keys = tmp_path / "keys"
    make_first_key(keys, lambda: 1_800_000_000)
    changes = {
        "redis_url": SecretStr(url),
        "redis_timeout_seconds": 0.5,
        "signing_keys_dir": keys,
    }
    async with running(tmp_path / new_id(), rooms=rooms, time=time, changes=changes) as harness:
        yield harness


@asynccontextmanager
async def two_replicas(url: str, tmp_path: Path) -> AsyncGenerator[tuple[Harness, Harness]]:
    """Yield two replicas of auth with the same Redis, rooms and clock."""
    async with (
        on_redis(url, tmp_path) as one,
        on_redis(url, tmp_path, rooms=one.rooms, time=one.time) as other,
    ):
        yield one, other


async def test_auth_answers_503_while_redis_is_unavailable_and_recovers(
    private_redis: Redis, tmp_path: Path
) -> None:
    async with on_redis(private_redis.url, tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

        private_redis.kill()
        refused = [
            await harness.try_login(),
            await harness.try_refresh(pair.refresh),
            await harness.client.get("/api/auth/v1/me", headers=pair.headers),
        ]
        ready = await harness.client.get("/health/ready")
        keys = await harness.client.get("/.well-known/jwks.json")
        await asyncio.to_thread(private_redis.start)

        assert [answer.status_code for answer in refused] == [503] * 3
        assert refused[0].json()["type"] == "urn:madang:problem:unavailable"
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["dependencies"]["sessions"] == "Unavailable"
        assert keys.is_success
        again = await harness.refresh(pair.refresh)
        assert again.claims.session == pair.claims.session
        assert (await harness.client.get("/health/ready")).json()["status"] == "ok"


async def test_auth_starts_without_redis_and_recovers_with_it(
    private_redis: Redis, tmp_path: Path
) -> None:
    private_redis.stop()
    async with on_redis(private_redis.url, tmp_path) as harness:
        before = await harness.client.get("/health/ready")
        await asyncio.to_thread(private_redis.start)
        after = await harness.client.get("/health/ready")

    assert before.json()["dependencies"]["sessions"] == "Unavailable"
    assert before.json()["status"] == "degraded"
    assert after.json()["status"] == "ok"


async def test_a_loss_of_data_in_redis_requires_only_a_new_login(
    redis_database_url: str, redis_client: Client, tmp_path: Path
) -> None:
    async with on_redis(redis_database_url, tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

        await redis_client.flushdb()

        assert (await harness.try_refresh(pair.refresh)).status_code == 401
        again = await harness.login()
        await harness.refresh(again.refresh)


async def test_two_replicas_share_sessions(redis_database_url: str, tmp_path: Path) -> None:
    async with two_replicas(redis_database_url, tmp_path) as (one, other):
        await one.register()
        pair = await one.login()

        answers = await asyncio.gather(
            *(harness.try_refresh(pair.refresh) for harness in (one, other) * 5)
        )
        refreshed = {answer.json()["refresh_token"] for answer in answers}
        listed = await other.client.get("/api/auth/v1/logins", headers=pair.headers)

        assert [answer.status_code for answer in answers] == [200] * 10
        assert len(refreshed) == 1
        assert (
            await one.metric("madang_auth_refreshes_total", result="rotated")
            + (await other.metric("madang_auth_refreshes_total", result="rotated"))
            == 1
        )
        assert [item["id"] for item in listed.json()["items"]] == [pair.claims.session]
        await one.client.post("/api/auth/v1/logout", json={"refresh_token": refreshed.pop()})
        assert (await other.client.get("/api/auth/v1/me", headers=pair.headers)).status_code == 401


async def test_failed_logins_count_over_all_replicas(
    redis_database_url: str, tmp_path: Path
) -> None:
    async with two_replicas(redis_database_url, tmp_path) as (one, other):
        await one.register()
        statuses = [
            (await harness.try_login(password="wrong password")).status_code
            for harness in (one, other) * 6
        ]

    assert statuses == [401] * 10 + [429] * 2


async def test_a_session_ended_by_one_replica_is_revoked_by_the_other(
    redis_database_url: str, tmp_path: Path
) -> None:
    async with two_replicas(redis_database_url, tmp_path) as (one, other):
        await one.register()
        pair = await one.login()
        await one.client.post("/api/auth/v1/logout", json={"refresh_token": pair.refresh})

        auth = create_client("http://auth", transport=other.network)
        service = ServiceAuth(ClientCredentials(auth, name="rooms", secret=SECRET))
        revoked = await other.client.get("/internal/revocations", auth=service)

    assert [item["login"] for item in revoked.json()["items"]] == [pair.claims.session]


async def test_failures_and_known_addresses_are_shared_by_replicas(
    redis_database_url: str, tmp_path: Path
) -> None:
    async with two_replicas(redis_database_url, tmp_path) as (one, other):
        await one.register("mina")
        await one.login("mina")

        guesses = [
            (await at(replica, "198.51.100.7", f"guess no {n}")).status_code
            for n in range(6)
            for replica in (one, other)
        ]
        for n in range(9):
            for guess in range(10):
                await at(other, f"198.51.100.{20 + n}", f"guess no {guess}")

        assert guesses == [401] * 10 + [429] * 2
        assert (await at(one, "192.0.2.1", PASSWORD)).status_code == 429
        assert (await other.try_login("mina")).status_code == 200


async def at(harness: Harness, address: str, password: str) -> httpx.Response:
    """Try to log in as Mina from an address."""
    body = {"username": "mina", "password": password}
    async with harness.at(address) as client:
        return await client.post("/api/auth/v1/login", json=body)
