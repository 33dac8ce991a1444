"""Settings of a service that uses Redis."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from madang_common.address import Addresses, Host, Port
from madang_common.redis.endpoint import RedisEndpoint
from madang_common.server_parts import ServerParts, needs
from madang_common.settings import CommonSettings, required, secret_value
from madang_common.tls import CaFile, Tls

_PARTS = ServerParts(
    url="redis_url",
    hosts=("redis_host", "redis_sentinels"),
    others=(
        "redis_port",
        "redis_user",
        "redis_password",
        "redis_database",
        "redis_tls",
        "redis_primary",
        "redis_sentinel_user",
        "redis_sentinel_password",
    ),
    with_either=("redis_ca_file",),
)


class RedisSettings(CommonSettings):
    """Settings of Redis, in addition to the common ones."""

    redis_url: SecretStr | None = None
    """URL of the Redis that all replicas share, `redis(s)://user:password@host:port/0`; if neither
    this nor `MADANG_REDIS_HOST` nor `MADANG_REDIS_SENTINELS` is set, the embedded form."""
    redis_host: Host = None
    """Host of Redis, instead of the URL."""
    redis_port: Port = None
    """Port of Redis; 6379 if not set."""
    redis_user: str | None = None
    """User of Redis; its default user if not set."""
    redis_password: SecretStr | None = None
    """Password of that user."""
    redis_database: Annotated[int, Field(ge=0)] = 0
    """Number of the database in Redis."""
    redis_tls: bool = False
    """Whether to use TLS to Redis, and to the Sentinels."""
    redis_ca_file: CaFile = None
    """File with the CA certificates, in PEM, that sign Redis' certificate; those of the system if
    not set. Needs TLS."""
    redis_sentinels: Addresses = ()
    """Addresses of the Sentinels, `host` or `host:port`, instead of the URL or the host."""
    redis_primary: str = "mymaster"
    """Name of the primary in the Sentinels' configuration."""
    redis_sentinel_user: str | None = None
    """User of the Sentinels; their default user if not set."""
    redis_sentinel_password: SecretStr | None = None
    """Password of the Sentinels; none if not set."""

    @property
    def redis(self) -> RedisEndpoint | None:
        """The endpoint of Redis, None if it is not set; raise ValueError if it is invalid."""
        if not _PARTS.are_given(self):
            return None
        tls = Tls(self.redis_ca_file) if self.redis_tls or self.redis_ca_file else None
        if self.redis_url is not None:
            return RedisEndpoint.at(self.redis_url.get_secret_value(), tls)
        return self._redis_by_parts(tls)

    def require_redis(self) -> RedisEndpoint:
        """Return the endpoint of Redis; raise CannotStart if it is not set."""
        return required(self.redis, "redis_url", "redis_host", "redis_sentinels")

    def _redis_by_parts(self, tls: Tls | None) -> RedisEndpoint:
        needs(self, "redis_user", "redis_password")
        needs(self, "redis_ca_file", "redis_tls")
        password = secret_value(self.redis_password)
        if self.redis_host is not None:
            for name in ("redis_primary", "redis_sentinel_user", "redis_sentinel_password"):
                needs(self, name, "redis_sentinels")
            return RedisEndpoint.of(
                self.redis_host,
                port=self.redis_port,
                user=self.redis_user,
                password=password,
                database=self.redis_database,
                tls=tls,
            )
        needs(self, "redis_port", "redis_host")
        needs(self, "redis_sentinel_user", "redis_sentinel_password")
        return RedisEndpoint.behind(
            self.redis_sentinels,
            self.redis_primary,
            user=self.redis_user,
            password=password,
            database=self.redis_database,
            tls=tls,
            sentinel_user=self.redis_sentinel_user,
            sentinel_password=secret_value(self.redis_sentinel_password),
        )

    @model_validator(mode="after")
    def check_redis(self) -> Self:
        """Refuse settings of Redis that contradict each other."""
        _ = self.redis
        return self
