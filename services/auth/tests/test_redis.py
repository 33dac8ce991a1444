"""auth on a real Redis: what it leaves there, and what happens when Redis goes away."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis as Client

from madang_auth.sessions.port import Lifetimes, Opened, Rotated, Session, Successor
from madang_auth.sessions.redis import RedisSessionStore
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.signing.keys import make_first_key
from madang_auth.storage.redis import RedisStore, Write
from madang_auth.throttle.bucket import Limit
from madang_auth.throttle.port import Charge
from madang_auth.throttle.redis import RedisThrottle
from madang_common.http.client import create_client
from madang_common.ids import new_id
from madang_common.problems import Unavailable
from madang_common.settings import CannotStart
from madang_common.tokens.service import ClientCredentials, ServiceAuth
from services.auth.tests.harness import PASSWORD, SECRET, Harness, Rooms, Time, running
from stack.servers import Redis

LIFETIMES = Lifetimes(idle=1000, absolute=3000, grace=10, ended_kept=660)
LIMIT = Limit(count=3, seconds=30)


@pytest.fixture
async def client(redis_database_url: str) -> AsyncIterator[Client]:
    client = Client.from_url(redis_database_url)
    yield client
    await client.aclose()


@pytest.fixture
async def store(redis_database_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore.at(redis_database_url, connections=4, timeout_seconds=5)
    yield store
    await store.close()


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


def login(user: str = "u1") -> Session:
    return Session(
        id=new_id(),
        user=user,
        username="mina",
        name="미나",
        device=None,
        created_at=time.time(),
        last_used_at=time.time(),
    )


async def test_every_key_has_the_prefix_and_an_expiry(store: RedisStore, client: Client) -> None:
    sessions, throttle = RedisSessionStore(store, LIFETIMES), RedisThrottle(store)
    one, two = login(), login()
    for new in (one, two):
        token = RefreshToken.first(new.id).hashes()
        await sessions.open(new, token, began_at=new.created_at, most=10)
    await sessions.end(one.id, user="u1", now=time.time())
    now = time.time()
    await throttle.take([Charge("address", LIMIT)], now=now)
    await throttle.remember("mina", "home", until=now + 500, most=2, now=now)

    keys = [key.decode() async for key in client.scan_iter()]
    left = {key: await client.pttl(key) / 1000 for key in keys}

    assert left.keys() == {
        f"madang:auth:login:{two.id}",
        "madang:auth:user:u1",
        "madang:auth:ended",
        "madang:auth:bucket:address",
        "madang:auth:known:mina",
    }
    assert left[f"madang:auth:login:{two.id}"] == pytest.approx(LIFETIMES.idle, abs=10)
    assert left["madang:auth:user:u1"] == pytest.approx(3600, abs=10)
    assert left["madang:auth:ended"] == pytest.approx(LIFETIMES.ended_kept, abs=10)
    assert left["madang:auth:known:mina"] == pytest.approx(500, abs=10)
    assert left["madang:auth:bucket:address"] == pytest.approx(10, abs=9)


async def test_old_entries_of_the_stream_are_trimmed(store: RedisStore, client: Client) -> None:
    sessions = RedisSessionStore(store, LIFETIMES)
    long_ago = int((time.time() - LIFETIMES.ended_kept - 1) * 1000)
    await client.xadd("madang:auth:ended", {"e": "{}"}, id=f"{long_ago}-0")
    new = login()
    await sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=new.created_at, most=10)

    await sessions.end(new.id, user="u1", now=time.time())

    assert [one.session for one in (await sessions.ended_after(None, limit=10)).items] == [new.id]
    assert await client.xlen("madang:auth:ended") == 1


async def test_no_part_of_a_token_is_stored_in_clear(store: RedisStore, client: Client) -> None:
    sessions = RedisSessionStore(store, LIFETIMES)
    new = login()
    first, nonce = RefreshToken.first(new.id), new_nonce()
    second = first.successor(nonce)
    await sessions.open(new, first.hashes(), began_at=new.created_at, most=10)
    await sessions.rotate(first.hashes(), Successor(second.hashes().secret, nonce), now=time.time())

    stored = [await client.get(key) for key in await client.keys("madang:auth:*")]

    parts = {part for token in (first, second) for part in token.text().split(".")[1:]}
    text = repr([value for value in stored if value is not None])
    assert new.id in text
    assert not [part for part in parts if part in text]


@pytest.mark.parametrize("url", ["http://h", "redis://:secr/et@h:1/0", "redis://h:secret", ""])
def test_an_invalid_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(CannotStart, match="MADANG_REDIS_URL") as told:
        RedisStore.at(url, connections=1, timeout_seconds=1)

    assert "secr" not in str(told.value)
    assert told.value.__suppress_context__


async def test_a_script_missing_in_redis_is_loaded_again(store: RedisStore, client: Client) -> None:
    await store.write(Write("a", None, b"1", 60))
    await client.script_flush()

    await store.write(Write("a", b"1", b"2", 60))

    assert await store.read("a") == [b"2"]


async def test_more_concurrent_calls_than_connections_all_succeed(
    store: RedisStore,
) -> None:
    throttle = RedisThrottle(store)
    limit = Limit(count=40, seconds=60)

    outcomes = await asyncio.gather(
        *(throttle.take([Charge("k", limit)], now=0.0) for _ in range(100))
    )

    assert outcomes.count(None) == 40


async def test_a_full_redis_refuses_new_sessions_and_keeps_open_ones(
    private_redis: Redis,
) -> None:
    store = RedisStore.at(private_redis.url, connections=4, timeout_seconds=5)
    sessions = RedisSessionStore(store, LIFETIMES)
    first, second = login(), login()
    token = RefreshToken.first(first.id).hashes()
    assert await sessions.open(first, token, began_at=0, most=10) == Opened(())
    async with Client.from_url(private_redis.url) as client:
        await client.config_set("maxmemory", 1)

        token = RefreshToken.first(second.id).hashes()
        with pytest.raises(Unavailable):
            await sessions.open(second, token, began_at=0, most=10)

        assert await sessions.get(first.id, now=time.time()) == first
        await client.config_set("maxmemory", 0)
    assert await sessions.open(second, token, began_at=0, most=10) == Opened(())
    await store.close()


async def test_a_hanging_redis_is_unavailable_until_it_answers_again(
    private_redis: Redis,
) -> None:
    store = RedisStore.at(private_redis.url, connections=4, timeout_seconds=0.2)
    await store.write(Write("a", None, b"1", 60))

    private_redis.pause()
    began = time.monotonic()
    answers = await asyncio.gather(*(store.read("a") for _ in range(20)), return_exceptions=True)
    took = time.monotonic() - began
    private_redis.resume()

    assert {type(answer) for answer in answers} == {Unavailable}
    assert took < 5
    assert await store.read("a") == [b"1"]
    await store.close()


async def test_a_cancelled_step_leaves_the_connections_usable(
    private_redis: Redis,
) -> None:
    store = RedisStore.at(private_redis.url, connections=1, timeout_seconds=5)
    await store.write(Write("a", None, b"1", 60), Write("b", None, b"2", 60))

    private_redis.pause()
    cut = asyncio.create_task(store.read("a"))
    await asyncio.sleep(0.05)  # so that the question is on its way
    cut.cancel()
    await asyncio.wait([cut])
    private_redis.resume()

    assert await store.read("b") == [b"2"]
    await store.close()


async def test_redis_has_every_session_after_a_kill_and_restart(private_redis: Redis) -> None:
    store = RedisStore.at(private_redis.url, connections=4, timeout_seconds=5)
    sessions = RedisSessionStore(store, LIFETIMES)
    new = login()
    token = RefreshToken.first(new.id)
    await sessions.open(new, token.hashes(), began_at=new.created_at, most=10)

    private_redis.kill()
    with pytest.raises(Unavailable):
        await sessions.get(new.id, now=time.time())
    await asyncio.to_thread(private_redis.start)

    nonce = new_nonce()
    successor = Successor(token.successor(nonce).hashes().secret, nonce)
    answer = await sessions.rotate(token.hashes(), successor, now=time.time())
    assert isinstance(answer, Rotated)
    assert answer.session.id == new.id
    await store.close()


async def test_auth_answers_503_while_redis_is_away_and_recovers(
    private_redis: Redis, tmp_path: Path
) -> None:
    async with on_redis(private_redis.url, tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

        private_redis.kill()
        away = [
            await harness.try_login(),
            await harness.try_refresh(pair.refresh),
            await harness.client.get("/api/auth/v1/me", headers=pair.headers),
            await harness.client.get("/health/ready"),
        ]
        await asyncio.to_thread(private_redis.start)

        assert [answer.status_code for answer in away] == [503] * 4
        assert away[0].json()["type"] == "urn:madang:problem:unavailable"
        again = await harness.refresh(pair.refresh)
        assert again.claims.login == pair.claims.login
        assert (await harness.client.get("/health/ready")).status_code == 200


async def test_auth_starts_without_redis_and_becomes_ready_with_it(
    private_redis: Redis, tmp_path: Path
) -> None:
    private_redis.stop()
    async with on_redis(private_redis.url, tmp_path) as harness:
        before = await harness.client.get("/health/ready")
        await asyncio.to_thread(private_redis.start)
        after = await harness.client.get("/health/ready")

    assert before.json()["dependencies"]["sessions"] == "Unavailable"
    assert after.status_code == 200


async def test_a_loss_of_data_in_redis_requires_only_a_new_login(
    redis_database_url: str, client: Client, tmp_path: Path
) -> None:
    async with on_redis(redis_database_url, tmp_path) as harness:
        await harness.register()
        pair = await harness.login()

        await client.flushdb()

        assert (await harness.try_refresh(pair.refresh)).status_code == 401
        again = await harness.login()
        await harness.refresh(again.refresh)


async def test_two_replicas_share_sessions(redis_database_url: str, tmp_path: Path) -> None:
    rooms, clock = Rooms(), Time()
    async with (
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as one,
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as other,
    ):
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
        assert [item["id"] for item in listed.json()["items"]] == [pair.claims.login]
        await one.client.post("/api/auth/v1/logout", json={"refresh_token": refreshed.pop()})
        assert (await other.client.get("/api/auth/v1/me", headers=pair.headers)).status_code == 401


async def test_failed_logins_count_over_all_replicas(
    redis_database_url: str, tmp_path: Path
) -> None:
    rooms, clock = Rooms(), Time()
    async with (
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as one,
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as other,
    ):
        await one.register()
        statuses = [
            (await harness.try_login(password="wrong password")).status_code
            for harness in (one, other) * 6
        ]

    assert statuses == [401] * 10 + [429] * 2


async def test_a_session_ended_by_one_replica_is_revoked_by_the_other(
    redis_database_url: str, tmp_path: Path
) -> None:
    rooms, clock = Rooms(), Time()
    async with (
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as one,
        on_redis(redis_database_url, tmp_path, rooms=rooms, time=clock) as other,
    ):
        await one.register()
        pair = await one.login()
        await one.client.post("/api/auth/v1/logout", json={"refresh_token": pair.refresh})

        auth = create_client("http://auth", transport=other.network)
        service = ServiceAuth(ClientCredentials(auth, name="rooms", secret=SECRET))
        told = await other.client.get("/internal/revocations", auth=service)

    assert [item["login"] for item in told.json()["items"]] == [pair.claims.login]


async def test_failures_and_known_addresses_are_shared_by_replicas(
    redis_database_url: str, tmp_path: Path
) -> None:
    async with (
        on_redis(redis_database_url, tmp_path) as one,
        on_redis(redis_database_url, tmp_path, rooms=one.rooms, time=one.time) as other,
    ):
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
