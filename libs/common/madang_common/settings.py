"""Settings shared by every service: read once from `MADANG_…` variables into a frozen object."""

import json
import socket
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, get_origin
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from madang_common.http.forwarded import Proxies
from madang_common.http.hosts import AllowedHosts, normal_host
from madang_common.http.origins import normal_origin
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
        env_prefix="MADANG_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        # Lists and tables are read below, so that a mistake in them is reported like any other.
        enable_decoding=False,
    )

    environment: Environment = Environment.PRODUCTION
    """`development` allows the known default secrets; anything else refuses to start with them."""
    log_format: LogFormat = LogFormat.JSON
    """`json` for machines, `console` for people."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Least severe level that is logged."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """Port to listen on; 0 for any free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which clients reach this deployment: `chat.example`, `*.example` for all below one,
    `*` for any. Requests for other hosts are refused. `localhost`, IP addresses, `MADANG_HOST`,
    this machine's name and those of the services are always allowed; in development, any if this
    is empty."""
    allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may use REST and WebSocket: `https://app.example`, `*` for any; a page of
    the same host always may."""
    log_shards: Annotated[int, Field(ge=1, le=1024)] = 2
    """Number of shards of the chat log, and most replicas of history that share its work; fixed for
    the life of a deployment. Each more costs every gateway more batches of fewer events."""
    log_retention_seconds: Annotated[int, Field(ge=60)] = 30 * 86_400
    """How long the chat log keeps an event; history must never be further behind than this."""
    log_retention_bytes: Annotated[int, Field(ge=1_048_576)] = 4_294_967_296
    """Bytes that one shard of the chat log keeps."""
    amqp_url: SecretStr | None = None
    """RabbitMQ, `amqp(s)://user:password@host:port/vhost`, or more nodes of it after commas."""
    request_head_bytes: Annotated[int, Field(ge=512)] = 65_536
    """Largest head of a request: its first line and its headers."""
    request_body_bytes: Annotated[int, Field(ge=1)] = 65_536
    """Largest body of a REST request."""
    request_seconds: Annotated[float, Field(gt=0)] = 30
    """Longest time in which a request comes whole, from its first byte or the connection on; and in
    which a client takes at least 64 KiB of an answer."""
    requests_per_second_per_user: Annotated[float, Field(gt=0)] = 100
    """REST requests of one user per second, in the long run, to each process."""
    requests_burst_per_user: Annotated[int, Field(ge=1)] = 300
    """REST requests of one user at once."""
    requests_per_second_per_address: Annotated[float, Field(gt=0)] = 1000
    """REST requests from one address (IPv6: from one /64) per second, to each process; there may be
    an office behind it. Every 4 KiB of a body cost as much as another."""
    requests_burst_per_address: Annotated[int, Field(ge=1)] = 3000
    """REST requests from one address at once."""
    requests_running_per_address: Annotated[int, Field(ge=1)] = 256
    """REST requests from one address that may be under way at the same time."""
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

    @field_validator("*", mode="before")
    @classmethod
    def read_list_or_table(cls, value: Any, info: ValidationInfo) -> Any:
        """Read a list with commas or as JSON, and a table as JSON."""
        if not isinstance(value, str) or info.field_name is None:
            return value
        kind = get_origin(cls.model_fields[info.field_name].annotation)
        if kind is tuple and not value.lstrip().startswith("["):
            return tuple(item.strip() for item in value.replace(" ", ",").split(",") if item)
        if kind in {tuple, dict}:
            try:
                return json.loads(value)
            except ValueError:
                # Refused as text, in words that do not repeat it: it may hold secrets.
                return value
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def ignore_case(cls, value: Any) -> Any:
        """Take a level in lower case too."""
        return value.upper() if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def normalise_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Write origins as browsers do; refuse what can never match."""
        return tuple(map(normal_origin, origins))

    @field_validator("allowed_hosts")
    @classmethod
    def normalise_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Write names as they are compared; refuse what is not a name."""
        return tuple(map(normal_host, hosts))

    @field_validator("proxy_addresses")
    @classmethod
    def check_proxies(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what is neither an address nor a network."""
        Proxies(addresses)
        return addresses

    @field_validator("auth_url", "rooms_url", "history_url")
    @classmethod
    def check_url(cls, url: str) -> str:
        """Refuse a URL that is not http(s) or has no host."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give a URL such as http://auth:8000")
        return url

    @property
    def retention(self) -> Retention:
        """How long the chat log keeps events."""
        return Retention(self.log_retention_seconds, self.log_retention_bytes)

    @property
    def hosts(self) -> AllowedHosts:
        """The hosts that requests may be for: those that were named, and what every service has."""
        if self.environment is Environment.DEVELOPMENT and not self.allowed_hosts:
            return AllowedHosts(["*"])
        urls = (self.auth_url, self.rooms_url, self.history_url)
        named = [urlsplit(url).hostname or "" for url in urls]
        return AllowedHosts([*self.allowed_hosts, self.host, socket.gethostname(), *named])

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
