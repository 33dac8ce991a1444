"""The Redis adapters on a real server: their keys, and failures of Redis."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis as Client

from madang_auth.sessions.port import Lifetimes, Opened, Rotated, Session, Successor
from madang_auth.sessions.redis import RedisSessionStore
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.settings import AuthSettings
from madang_auth.storage.redis import RedisStore, Write
from madang_auth.throttle.bucket import Limit
from madang_auth.throttle.port import Charge
from madang_auth.throttle.redis import RedisThrottle
from madang_common.ids import new_id
from madang_common.problems import Unavailable
from madang_common.redis.endpoint import RedisEndpoint
from madang_common.settings_errors import describe
from stack.servers import Redis

LIFETIMES = Lifetimes(idle=1000, absolute=3000, grace=10, ended_kept=660)
LIMIT = Limit(count=3, seconds=30)


@pytest.fixture
async def store(redis_database_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore.at(RedisEndpoint.at(redis_database_url), connections=4, timeout_seconds=5)
    yield store
    await store.close()


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


async def test_every_key_has_the_prefix_and_an_expiry(
    store: RedisStore, redis_client: Client
) -> None:
    sessions, throttle = RedisSessionStore(store, LIFETIMES), RedisThrottle(store)
    one, two = login(), login()
    for new in (one, two):
        token = RefreshToken.first(new.id).hashes()
        await sessions.open(new, token, began_at=new.created_at, most=10)
    await sessions.end(one.id, user="u1", now=time.time())
    now = time.time()
    await throttle.take([Charge("address", LIMIT)], now=now)
    await throttle.remember("mina", "home", until=now + 500, most=2, now=now)

    keys = [key.decode() async for key in redis_client.scan_iter()]
    left = {key: await redis_client.pttl(key) / 1000 for key in keys}

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


async def test_old_entries_of_the_stream_are_trimmed(
    store: RedisStore, redis_client: Client
) -> None:
    sessions = RedisSessionStore(store, LIFETIMES)
    long_ago = int((time.time() - LIFETIMES.ended_kept - 1) * 1000)
    await redis_client.xadd("madang:auth:ended", {"e": "{}"}, id=f"{long_ago}-0")
    new = login()
    await sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=new.created_at, most=10)

    await sessions.end(new.id, user="u1", now=time.time())

    assert [one.session for one in (await sessions.ended_after(None, limit=10)).items] == [new.id]
    assert await redis_client.xlen("madang:auth:ended") == 1


async def test_no_part_of_a_token_is_stored_in_clear(
    store: RedisStore, redis_client: Client
) -> None:
    sessions = RedisSessionStore(store, LIFETIMES)
    new = login()
    first, nonce = RefreshToken.first(new.id), new_nonce()
    second = first.successor(nonce)
    await sessions.open(new, first.hashes(), began_at=new.created_at, most=10)
    await sessions.rotate(first.hashes(), Successor(second.hashes().secret, nonce), now=time.time())

    stored = [await redis_client.get(key) for key in await redis_client.keys("madang:auth:*")]

    parts = {part for token in (first, second) for part in token.text().split(".")[1:]}
    text = repr([value for value in stored if value is not None])
    assert new.id in text
    assert not [part for part in parts if part in text]


@pytest.mark.parametrize("url", ["http://h", "redis://:secr/et@h:1/0", "redis://h:secret", ""])
def test_an_invalid_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(ValidationError, match="MADANG_REDIS_URL") as refused:
        AuthSettings(redis_url=url)

    assert "secr" not in str(refused.value)
    assert "secr" not in describe(refused.value)


async def test_a_script_missing_in_redis_is_loaded_again(
    store: RedisStore, redis_client: Client
) -> None:
    await store.write(Write("a", None, b"1", 60))
    await redis_client.script_flush()

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
    store = RedisStore.at(RedisEndpoint.at(private_redis.url), connections=4, timeout_seconds=5)
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
    store = RedisStore.at(RedisEndpoint.at(private_redis.url), connections=4, timeout_seconds=0.2)
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
    store = RedisStore.at(RedisEndpoint.at(private_redis.url), connections=1, timeout_seconds=5)
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
    store = RedisStore.at(RedisEndpoint.at(private_redis.url), connections=4, timeout_seconds=5)
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
