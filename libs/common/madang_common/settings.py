"""Settings shared by every service: read once from `MADANG_…` variables into a frozen object."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from madang_common.log.port import Retention

DEVELOPMENT_SECRET = "madang-development-only"  # noqa: S105 - refused outside development, below


class CannotStart(Exception):  # noqa: N818 - reads as the state it tells
    """Something that a person has to put right first; the text tells what."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class CommonSettings(BaseSettings):
    """What every service reads. A service's own settings class adds to these."""

    model_config = SettingsConfigDict(
        env_prefix="MADANG_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    environment: Environment = Environment.PRODUCTION
    """`development` allows the known default secrets; anything else refuses to start with them."""
    log_format: LogFormat = LogFormat.JSON
    """`json` for machines, `console` for people."""
    log_level: str = "INFO"
    """Least severe level that is logged."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on."""
    log_shards: int = 2
    """Number of shards of the chat log, and most replicas of history that share its work; fixed for
    the life of a deployment. Each more costs every gateway more batches of fewer events."""
    log_retention_seconds: Annotated[int, Field(ge=60)] = 30 * 86_400
    """How long the chat log keeps an event; history must never be further behind than this."""
    log_retention_bytes: Annotated[int, Field(ge=1_048_576)] = 4_294_967_296
    """Bytes that one shard of the chat log keeps."""
    amqp_url: SecretStr | None = None
    """RabbitMQ, `amqp(s)://user:password@host:port/vhost`, or more nodes of it after commas."""
    request_head_bytes: int = 65_536
    """Largest head of a request: its first line and its headers."""
    request_body_bytes: int = 65_536
    """Largest body of a REST request."""
    request_seconds: float = 30
    """Longest time in which a request comes whole, from its first byte or the connection on."""
    proxy_addresses: tuple[str, ...] = ()
    """Addresses or networks of the proxy, whose `X-Forwarded-For` is believed; nobody else's is."""
    issuer: str = "madang"
    """`iss` of every token."""
    auth_url: str = "http://auth"
    """Where auth is reached from inside."""
    rooms_url: str = "http://rooms"
    """Where rooms is reached from inside."""
    history_url: str = "http://history"
    """Where history is reached from inside."""
    service_client_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """Secret with which this service asks auth for service tokens."""

    revocations_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Pause between a service's questions to auth, which logins have ended."""

    @property
    def retention(self) -> Retention:
        """How long the chat log keeps events."""
        return Retention(self.log_retention_seconds, self.log_retention_bytes)

    def required(self, name: str) -> str:
        """Return the secret setting `name`; raise CannotStart if it was not given."""
        secret: SecretStr | None = getattr(self, name)
        if secret is None:
            raise CannotStart(f"MADANG_{name.upper()} must be set")
        return secret.get_secret_value()

    @model_validator(mode="after")
    def refuse_default_secrets(self) -> Self:
        """Refuse a secret that everybody knows, outside development."""
        if self.environment is Environment.DEVELOPMENT:
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and value.get_secret_value() == DEVELOPMENT_SECRET:
                raise ValueError(f"MADANG_{name.upper()} must be set outside development")
        return self
