"""Clients of Redis with a bounded pool of connections."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from madang_common.settings import CannotStart


def redis_client(
    url: str, *, connections: int, timeout_seconds: float, retries: int = 0, decode: bool = False
) -> Redis:
    """Return a client of the Redis at `url` (`redis://`, `rediss://` or `unix://`).

    It connects on the first command. `timeout_seconds` bounds connecting, a response, and the wait
    for a connection when all `connections` are in use. A command that fails is retried at once, at
    most `retries` times. Responses are text if `decode` is set (invalid UTF-8 replaced), else
    bytes. Raise CannotStart if `url` is not a URL of Redis.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            decode_responses=decode,
            encoding_errors="replace" if decode else "strict",
            protocol=2,
            retry=Retry(NoBackoff(), retries),
        )
    except ValueError:
        # Without the error's text, which may contain a part of the password.
        raise CannotStart(
            "MADANG_REDIS_URL is invalid; expected redis://user:password@host:6379/0"
        ) from None
    return Redis.from_pool(pool)
