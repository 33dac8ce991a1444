"""The endpoint of Redis: its address or its Sentinels, user, database and TLS."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from redis.asyncio.connection import SSLConnection, parse_url

from madang_common.address import Address
from madang_common.tls import Tls

_PORT = 6379
_SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The Sentinels that know the address of the primary."""

    addresses: tuple[Address, ...]
    primary: str
    """Name of the primary in their configuration."""
    options: Mapping[str, Any] = field(repr=False)
    """redis-py's options of a connection to a Sentinel."""


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """One Redis, by its address or by Sentinels."""

    options: Mapping[str, Any] = field(repr=False)
    """redis-py's options of a connection; without an address if `sentinels` know it."""
    sentinels: Sentinels | None = None

    @classmethod
    def at(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the endpoint at `url`: `redis://`, `rediss://` or `unix://`.

        Raise ValueError, without the URL, if it is invalid.
        """
        try:
            options: dict[str, Any] = {**parse_url(url)}
        except ValueError:
            # Without the error's text, which may contain a part of the password.
            raise ValueError(
                "MADANG_REDIS_URL is invalid; expected redis://user:password@host:6379/0"
            ) from None
        if options.get("connection_class") is not SSLConnection:
            if tls is not None:
                raise ValueError("MADANG_REDIS_CA_FILE needs rediss:// in MADANG_REDIS_URL")
            return cls(options)
        if tls is not None and "ssl_ca_certs" in options:
            raise ValueError(
                "MADANG_REDIS_CA_FILE and ssl_ca_certs in MADANG_REDIS_URL are both set; set only"
                " one"
            )
        return cls(_tls_options(tls or Tls()) | options)

    @classmethod
    def of(
        cls,
        host: str,
        *,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        database: int = 0,
        tls: Tls | None = None,
    ) -> Self:
        """Return the endpoint of the Redis at `host`."""
        options = _options(user, password, tls) | {"host": host, "port": port or _PORT}
        # Only a pool of Sentinel understands `ssl`; others need the class of their connections.
        if options.pop("ssl", False):
            options["connection_class"] = SSLConnection
        return cls(options | {"db": database})

    @classmethod
    def behind(
        cls,
        sentinels: Sequence[str],
        primary: str,
        *,
        user: str | None = None,
        password: str | None = None,
        database: int = 0,
        tls: Tls | None = None,
        sentinel_user: str | None = None,
        sentinel_password: str | None = None,
    ) -> Self:
        """Return the endpoint of the Redis that the `sentinels` know as `primary`.

        They are each `host` or `host:port`. `tls` is used for them and for Redis.
        """
        addresses = (Address.parse(text, default_port=_SENTINEL_PORT) for text in sentinels)
        return cls(
            _options(user, password, tls) | {"db": database},
            Sentinels(tuple(addresses), primary, _options(sentinel_user, sentinel_password, tls)),
        )


def _options(user: str | None, password: str | None, tls: Tls | None) -> dict[str, Any]:
    credentials = {"username": user, "password": password}
    given = {name: value for name, value in credentials.items() if value is not None}
    return given if tls is None else given | {"ssl": True} | _tls_options(tls)


def _tls_options(tls: Tls) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
    return options if tls.ca_file is None else options | {"ssl_ca_certs": str(tls.ca_file)}
