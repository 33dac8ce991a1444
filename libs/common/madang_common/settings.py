"""Settings of all services: read once from `MADANG_…` variables into a frozen object."""

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


class CannotStart(Exception):  # noqa: N818 - names a state
    """The process cannot start; the message says what to change."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class CommonSettings(BaseSettings):
    """Settings of every service; each service has a subclass with its own."""

    model_config = SettingsConfigDict(
        env_prefix="MADANG_",
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        # `read_list_or_table` parses lists and tables, so that errors are reported like others.
        enable_decoding=False,
    )

    environment: Environment = Environment.PRODUCTION
    """`development` allows the default secrets; `production` refuses to start with them."""
    log_format: LogFormat = LogFormat.JSON
    """`json`, or `console` for reading in a terminal."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Lowest level that is logged."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """Port to listen on; 0 for any free port."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names of this deployment: `chat.example`, `*.example` for subdomains, `*` for any.
    Requests for other hosts get 421. `localhost`, IP addresses, `MADANG_HOST`, this machine's name
    and the services' names are always allowed; in development, an empty list allows any host."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of pages that may use REST and WebSocket: `https://app.example`, `*` for any. Those
    of the same host are always allowed."""
    log_shards: Annotated[int, Field(ge=1, le=1024)] = 2
    """Number of shards of the chat log; cannot be changed once the log exists. At most this many
    replicas of history share the work; each further shard means more and smaller batches for every
    gateway."""
    log_retention_seconds: Annotated[int, Field(ge=60)] = 30 * 86_400
    """How long the chat log keeps an event; history must never lag further behind."""
    log_retention_bytes: Annotated[int, Field(ge=1_048_576)] = 4_294_967_296
    """Most bytes that one shard of the chat log keeps."""
    amqp_url: SecretStr | None = None
    """URL of RabbitMQ, `amqp(s)://user:password@host:port/vhost`; more nodes after commas."""
    request_head_bytes: Annotated[int, Field(ge=512)] = 65_536
    """Largest head of a request in bytes: request line and headers."""
    request_body_bytes: Annotated[int, Field(ge=1)] = 65_536
    """Largest body of a REST request in bytes."""
    request_seconds: Annotated[float, Field(gt=0)] = 30
    """Timeout for receiving a complete request, from its first byte or the connection on; also for
    a client to read the next 64 KiB of a response."""
    requests_per_second_per_user: Annotated[float, Field(gt=0)] = 100
    """REST requests per second of one user to each process, on average."""
    requests_burst_per_user: Annotated[int, Field(ge=1)] = 300
    """Burst of REST requests of one user."""
    requests_per_second_per_address: Annotated[float, Field(gt=0)] = 1000
    """REST requests per second from one address (IPv6: one /64) to each process, on average; many
    users may share an address. Every 4 KiB of a body count as another request."""
    requests_burst_per_address: Annotated[int, Field(ge=1)] = 3000
    """Burst of REST requests from one address."""
    requests_running_per_address: Annotated[int, Field(ge=1)] = 256
    """Concurrent REST requests from one address."""
    proxy_addresses: tuple[str, ...] = ()
    """Addresses or networks of trusted proxies; `X-Forwarded-For` of others is ignored."""
    issuer: str = "madang"
    """`iss` of every token."""
    auth_url: str = "http://auth"
    """Internal URL of auth."""
    rooms_url: str = "http://rooms"
    """Internal URL of rooms."""
    history_url: str = "http://history"
    """Internal URL of history."""
    service_client_secret: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    """Client secret with which this service gets service tokens from auth."""
    revocations_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Pause between two polls of auth for revoked sessions."""

    @field_validator("*", mode="before")
    @classmethod
    def read_list_or_table(cls, value: Any, info: ValidationInfo) -> Any:
        """Parse a list with commas or as JSON, and a table as JSON."""
        if not isinstance(value, str) or info.field_name is None:
            return value
        kind = get_origin(cls.model_fields[info.field_name].annotation)
        if kind is tuple and not value.lstrip().startswith("["):
            return tuple(item.strip() for item in value.replace(" ", ",").split(",") if item)
        if kind in {tuple, dict}:
            try:
                return json.loads(value)
            except ValueError:
                # Pydantic then refuses the string, without its value, which may contain secrets.
                return value
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def ignore_case(cls, value: Any) -> Any:
        """Accept levels in lower case too."""
        return value.upper() if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def normalise_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Normalise origins to the form that browsers send; refuse those that cannot match."""
        return tuple(map(normal_origin, origins))

    @field_validator("allowed_hosts")
    @classmethod
    def normalise_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Normalise host names; refuse malformed ones."""
        return tuple(map(normal_host, hosts))

    @field_validator("proxy_addresses")
    @classmethod
    def check_proxies(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse values that are neither an address nor a network."""
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
        """The allowed hosts: the configured ones, and those that are always allowed."""
        if self.environment is Environment.DEVELOPMENT and not self.allowed_hosts:
            return AllowedHosts(["*"])
        urls = (self.auth_url, self.rooms_url, self.history_url)
        named = [urlsplit(url).hostname or "" for url in urls]
        return AllowedHosts([*self.allowed_hosts, self.host, socket.gethostname(), *named])

    def required(self, name: str) -> str:
        """Return the secret setting `name`; raise CannotStart if it is not set."""
        secret: SecretStr | None = getattr(self, name)
        if secret is None:
            raise CannotStart(f"MADANG_{name.upper()} must be set")
        return secret.get_secret_value()

    @model_validator(mode="after")
    def refuse_default_secrets(self) -> Self:
        """Refuse the default secrets outside development."""
        if self.environment is Environment.DEVELOPMENT:
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and value.get_secret_value() == DEVELOPMENT_SECRET:
                raise ValueError(f"MADANG_{name.upper()} must be set outside development")
        return self
