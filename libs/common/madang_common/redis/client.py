"""Clients of Redis with a bounded pool of connections."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from typing_extensions import override

from madang_common.redis.endpoint import RedisEndpoint, Sentinels


def redis_client(
    endpoint: RedisEndpoint,
    *,
    connections: int,
    timeout_seconds: float,
    retries: int = 0,
    decode: bool = False,
) -> Redis:
    """Return a client of the Redis at `endpoint`.

    It connects on the first command. `timeout_seconds` bounds connecting, a response, and the wait
    for a connection when all `connections` are in use. A command that fails is retried at once, at
    most `retries` times. Responses are text if `decode` is set (invalid UTF-8 replaced), else
    bytes.
    """
    timeouts = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    options: dict[str, Any] = {
        "max_connections": connections,
        "timeout": timeout_seconds,
        "decode_responses": decode,
        "encoding_errors": "replace" if decode else "strict",
        "protocol": 2,
        "retry": Retry(NoBackoff(), retries),
        **timeouts,
        **endpoint.options,
    }
    if endpoint.sentinels is None:
        return Redis.from_pool(BlockingConnectionPool(**options))
    return _client_of_primary(endpoint.sentinels, timeouts, options)


def _client_of_primary(
    sentinels: Sentinels, timeouts: dict[str, float], options: dict[str, Any]
) -> Redis:
    addresses = [(address.host, address.port) for address in sentinels.addresses]
    of_sentinel = {"protocol": 2, "retry": Retry(NoBackoff(), 0), **timeouts, **sentinels.options}
    manager: Any = Sentinel(addresses, sentinel_kwargs=of_sentinel)  # type: ignore[no-untyped-call]
    pool = _PrimaryConnectionPool(sentinels.primary, manager, **options)  # type: ignore[no-untyped-call]
    return Redis.from_pool(pool)


class _PrimaryConnectionPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary that the Sentinels name at the time of connecting.

    When they name another one, the idle connections to the old one are closed.
    """

    @override
    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()
