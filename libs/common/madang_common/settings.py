"""Settings of all services: read once from `MADANG_…` variables into a frozen object."""

import json
import socket
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar, get_origin
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from madang_common.address import Addresses, Port
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.http.forwarded import Proxies
from madang_common.http.hosts import AllowedHosts, normal_host
from madang_common.http.origins import normal_origin
from madang_common.log.port import Retention
from madang_common.log.position import MAX_EPOCH
from madang_common.server_parts import ServerParts, needs
from madang_common.setting_files import FileSource, InvalidSetting
from madang_common.tls import CaFile, Tls
from madang_common.unknown_settings import is_service_link
from madang_common.variables import PREFIX, variable

DEVELOPMENT_SECRET = "madang-development-only"  # noqa: S105 - refused outside development, below

_AMQP = ServerParts(
    url="amqp_url",
    hosts=("amqp_hosts",),
    others=("amqp_port", "amqp_user", "amqp_password", "amqp_vhost", "amqp_tls"),
    with_either=("amqp_ca_file",),
)

T = TypeVar("T")


class CannotStart(Exception):  # noqa: N818 - names a state
    """The process cannot start; the message says what to change."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


def required(value: T | None, *names: str) -> T:
    """Return `value`; if it is None, raise CannotStart, whose message names these settings."""
    if value is None:
        raise CannotStart(f"{' or '.join(map(variable, names))} must be set")
    return value


def secret_value(secret: SecretStr | None) -> str | None:
    """Return the value of `secret`, None if it is not set."""
    return None if secret is None else secret.get_secret_value()


class CommonSettings(BaseSettings):
    """Settings of every service; each service has a subclass with its own."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        # The input of an error may be all settings, secrets included.
        hide_input_in_errors=True,
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
    """Number of shards of the chat log; changed together with the epoch, see
    `docs/runbooks/change-shards.md`. At most this many replicas of history share the work; each
    further shard means more and smaller batches for every gateway."""
    log_epoch: Annotated[int, Field(ge=0, le=MAX_EPOCH)] = 0
    """Epoch of the chat log, the same for all services. Raised by one to begin a new log: after the
    broker lost its data (`docs/runbooks/broker-data-lost.md`), or to change the number of shards.
    Never lowered."""
    log_retention_seconds: Annotated[int, Field(ge=60)] = 30 * 86_400
    """How long the chat log keeps an event; history must never lag further behind."""
    log_retention_bytes: Annotated[int, Field(ge=1_048_576)] = 4_294_967_296
    """Most bytes that one shard of the chat log keeps."""
    amqp_url: SecretStr | None = None
    """URL of RabbitMQ, `amqp(s)://user:password@host:port/vhost`; more nodes after commas."""
    amqp_hosts: Addresses = ()
    """Nodes of RabbitMQ, `host` or `host:port`, instead of the URL."""
    amqp_port: Port = None
    """Port of the nodes that are given without one; 5672 if not set, with TLS 5671."""
    amqp_user: str | None = None
    """User of RabbitMQ."""
    amqp_password: SecretStr | None = None
    """Password of that user."""
    amqp_vhost: str = "/"
    """Virtual host of RabbitMQ."""
    amqp_tls: bool = False
    """Whether to use TLS to RabbitMQ; a URL with `amqps://` uses it anyway."""
    amqp_ca_file: CaFile = None
    """File with the CA certificates, in PEM, that sign RabbitMQ's certificate; those of the system
    if not set. Needs TLS."""
    start_seconds: Annotated[float, Field(gt=0)] = 60
    """Longest wait at the start for RabbitMQ, and as long again for MySQL or MongoDB; after it the
    process ends with an error."""
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

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read keywords, then the file that `MADANG_X_FILE` names, then `MADANG_X`."""
        return init_settings, FileSource(settings_cls, init_settings()), env_settings

    @field_validator("*", mode="before")
    @classmethod
    def read_list_or_table(cls, value: Any, info: ValidationInfo) -> Any:
        """Parse a list with commas or as JSON, and a table as JSON."""
        if isinstance(value, InvalidSetting):
            raise ValueError(value.problem)  # noqa: TRY004 - pydantic reports a ValueError
        if not isinstance(value, str) or info.field_name is None:
            return value
        if is_service_link(info.field_name, value):
            return cls.model_fields[info.field_name].get_default()
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

    @property
    def amqp(self) -> AmqpEndpoint | None:
        """The endpoint of RabbitMQ, None if it is not set; raise ValueError if it is invalid."""
        if not _AMQP.are_given(self):
            return None
        if self.amqp_url is not None:
            tls = None if self.amqp_ca_file is None else Tls(self.amqp_ca_file)
            return AmqpEndpoint.at(self.amqp_url.get_secret_value(), tls)
        needs(self, "amqp_hosts", "amqp_user", "amqp_password")
        needs(self, "amqp_ca_file", "amqp_tls")
        return AmqpEndpoint.of(
            self.amqp_hosts,
            port=self.amqp_port,
            user=self.amqp_user or "",
            password=secret_value(self.amqp_password) or "",
            vhost=self.amqp_vhost,
            tls=Tls(self.amqp_ca_file) if self.amqp_tls else None,
        )

    def require_amqp(self) -> AmqpEndpoint:
        """Return the endpoint of RabbitMQ; raise CannotStart if it is not set."""
        return required(self.amqp, "amqp_url", "amqp_hosts")

    @model_validator(mode="after")
    def refuse_default_secrets(self) -> Self:
        """Refuse the default secrets outside development."""
        if self.environment is Environment.DEVELOPMENT:
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr) and value.get_secret_value() == DEVELOPMENT_SECRET:
                raise ValueError(f"{variable(name)} must be set outside development")
        return self

    @model_validator(mode="after")
    def check_amqp(self) -> Self:
        """Refuse settings of RabbitMQ that contradict each other."""
        _ = self.amqp
        return self
