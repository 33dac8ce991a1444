from madang_common.redis.client import redis_client
from madang_common.redis.endpoint import RedisEndpoint


async def test_answers_are_bytes_or_text(redis_database_url: str) -> None:
    raw = redis_client(RedisEndpoint.at(redis_database_url), connections=1, timeout_seconds=5)
    text = redis_client(
        RedisEndpoint.at(redis_database_url), connections=1, timeout_seconds=5, decode=True
    )

    await raw.set("key", b"caf\xe9")

    assert await raw.get("key") == b"caf\xe9"
    assert await text.get("key") == "caf\ufffd"
    await raw.aclose()
    await text.aclose()
