"""Settings shared by every service: read once from `MADANG_…` variables into a frozen object."""

from enum import StrEnum
from typing import Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEVELOPMENT_SECRET = "madang-development-only"  # noqa: S105 - refused outside development, below


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
    log_shards: int = 4
    """Number of shards of the chat log; fixed for the life of a deployment."""
    request_body_bytes: int = 65_536
    """Largest body of a REST request."""
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
