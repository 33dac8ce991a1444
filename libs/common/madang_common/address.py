"""Addresses of servers, as settings name them."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a server."""

    host: str
    """Name or IP address, without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str, *, default_port: int) -> Self:
        """Parse `host` or `host:port`, an IPv6 address in brackets; raise ValueError."""
        try:
            parts = urlsplit(f"//{text}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        # Nothing but a host and a port: no user, path, query or space.
        if not host or parts.netloc != text or not text.isprintable() or {" ", "@"} & set(text):
            raise ValueError(f"{text} is not an address; give a host or host:port")
        if port is None and text.endswith(":"):
            raise ValueError(f"{text} is not an address; give a host or host:port")
        return cls(host, default_port if port is None else port)

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def check_host(host: str | None) -> str | None:
    """Return `host`; raise ValueError if it is not a name or an IP address, without a port."""
    if host is None or _is_ip_address(host):
        return host
    try:
        has_port = Address.parse(host, default_port=0).port != 0
    except ValueError:
        has_port = True
    if has_port or host.startswith("["):
        raise ValueError("give a host name or an IP address, without a port")
    return host


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def check_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return `addresses`; raise ValueError if one is not `host` or `host:port`."""
    for address in addresses:
        Address.parse(address, default_port=0)
    return addresses


Host = Annotated[str | None, AfterValidator(check_host)]
"""A setting with the name or IP address of a server."""
Port = Annotated[int | None, Field(ge=1, le=65_535)]
"""A setting with the port of a server."""
Addresses = Annotated[tuple[str, ...], AfterValidator(check_addresses)]
"""A setting with the addresses of servers, each `host` or `host:port`."""
