"""The endpoint of MongoDB: its servers, user and TLS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from madang_common.address import Address
from madang_common.tls import Tls

_PORT = 27_017
_SRV = "mongodb+srv"
_SCHEMES = {"mongodb", _SRV}


@dataclass(frozen=True, slots=True)
class MongoEndpoint:
    """A MongoDB, as the options of its client."""

    options: Mapping[str, Any] = field(repr=False)

    @classmethod
    def at(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the endpoint at `url`, `mongodb://` or `mongodb+srv://`.

        Raise ValueError, without the URL, if it is invalid.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            # Without the error's text, which may contain a part of the password.
            raise ValueError(INVALID_URL) from None
        if parts.scheme not in _SCHEMES or not parts.netloc:
            raise ValueError(INVALID_URL)
        if tls is not None and not _has_tls(parts.scheme, parts.query):
            raise ValueError("MADANG_MONGO_CA_FILE needs tls=true in MADANG_MONGO_URL")
        return cls({"host": url} | _tls_options(tls))

    @classmethod
    def of(
        cls,
        addresses: Sequence[str],
        *,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        auth_source: str = "admin",
        replica_set: str | None = None,
        tls: Tls | None = None,
    ) -> Self:
        """Return the endpoint with the servers at `addresses`, each `host` or `host:port`."""
        servers = [str(Address.parse(text, default_port=port or _PORT)) for text in addresses]
        options: dict[str, Any] = {"host": servers, "replicaSet": replica_set}
        if user is not None:
            options |= {"username": user, "password": password, "authSource": auth_source}
        return cls(options | _tls_options(tls))


INVALID_URL = "MADANG_MONGO_URL is invalid; expected mongodb://user:password@host:27017"


def _has_tls(scheme: str, query: str) -> bool:
    options = {name.lower(): values for name, values in parse_qs(query).items()}
    given = options.get("tls") or options.get("ssl")
    return scheme == _SRV if given is None else given[-1] == "true"


def _tls_options(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {"tls": True} | ({} if tls.ca_file is None else {"tlsCAFile": str(tls.ca_file)})
