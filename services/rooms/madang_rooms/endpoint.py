"""The endpoint of MySQL: its address, user, database and TLS."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from madang_common.tls import Tls

_DRIVER = "mysql+asyncmy"
_PORT = 3306
_INVALID_URL = "MADANG_DATABASE_URL is invalid; expected mysql+asyncmy://user:password@host/name"


@dataclass(frozen=True, slots=True)
class MySqlEndpoint:
    """A database on MySQL or MariaDB; its URL has the user, and its `repr` hides the password."""

    url: URL
    tls: Tls | None = None
    """TLS to the server; if None, `ssl_…` in the URL applies."""

    @classmethod
    def at(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the endpoint at `url`, `mysql+asyncmy://user:password@host:port/name`.

        Raise ValueError, without the URL, if it is invalid.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise ValueError(_INVALID_URL) from None
        if parsed.get_backend_name() not in {"mysql", "mariadb"} or not parsed.database:
            raise ValueError(_INVALID_URL)
        if tls is not None and any(name.startswith("ssl") for name in parsed.query):
            raise ValueError(
                "MADANG_DATABASE_TLS and ssl_… in MADANG_DATABASE_URL are both set; set only one"
            )
        return cls(parsed.set(drivername=_DRIVER), tls)

    @classmethod
    def of(
        cls,
        host: str,
        *,
        port: int | None = None,
        user: str,
        password: str,
        name: str,
        tls: Tls | None = None,
    ) -> Self:
        """Return the endpoint of the database `name` on the server at `host`."""
        url = URL.create(
            _DRIVER,
            username=user,
            password=password,
            host=host,
            port=port or _PORT,
            database=name,
        )
        return cls(url, tls)
