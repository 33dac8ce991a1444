"""The client's address of a request: the peer's, or the one that trusted proxies report."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network
_MAX_ADDRESS_LENGTH = 64
"""Longest text that is parsed and cached: an IPv6 address has 45 characters, and perhaps a zone."""
_SITE_PREFIX_BITS = 64
"""Prefix of an IPv6 address that a provider assigns to one customer."""


@lru_cache(maxsize=16_384)
def site(address: str) -> str:
    """Return the unit of rate limits for `address`: an IPv4 address, or its IPv6 /64."""
    found = _address(address.partition("%")[0]) if len(address) <= _MAX_ADDRESS_LENGTH else None
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _SITE_PREFIX_BITS), strict=False))
    return address if found is None else str(found)


class Proxies:
    """The trusted proxies: `X-Forwarded-For` is used only if they send it."""

    __slots__ = ("_all", "_networks")

    def __init__(self, addresses: Iterable[str]) -> None:
        """Trust addresses and networks, or everyone with `*`; raise ValueError if malformed."""
        named = tuple(addresses)
        self._all = "*" in named
        self._networks: tuple[_Network, ...] = tuple(
            _network(name) for name in named if name != "*"
        )

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """Return the client's address, given the request's values of `X-Forwarded-For`.

        Each proxy appends its peer, so the client is the last address that is not a trusted proxy.
        """
        address = peer
        if not self._trusts(peer):
            return peer
        for entry in reversed(",".join(forwarded_for).split(",")):
            named = without_port(entry.strip())
            if not named:
                continue
            address = named
            if not self._trusts(named):
                break
        return address

    def _trusts(self, address: str) -> bool:
        if self._all:
            return True
        found = _address(address) if len(address) <= _MAX_ADDRESS_LENGTH else None
        return found is not None and any(found in network for network in self._networks)


@lru_cache(maxsize=1024)
def _address(text: str) -> _Address | None:
    """Return the address in `text`; an IPv4-mapped IPv6 address is returned as IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _network(name: str) -> _Network:
    try:
        return ip_network(name, strict=False)
    except ValueError:
        raise ValueError(f"{name!r} is not an IP address or network; one is 10.0.0.0/8") from None


def without_port(entry: str) -> str:
    """Return the address or name in `entry`, which may be `1.2.3.4:5`, `[::1]:5` or `name:5`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    if entry.count(":") == 1:
        return entry.partition(":")[0]
    return entry
