"""Whose request it is: the peer's, or whoever the proxies in front say."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network
_LONGEST_ADDRESS = 64
"""Characters of what is looked at and remembered: an IPv6 address has 45, and a zone perhaps."""
_SITE_BITS = 64
"""Bits of an IPv6 address that a provider gives to one customer."""


@lru_cache(maxsize=16_384)
def site(address: str) -> str:
    """Return what one customer has of `address`: an IPv4 address, or a whole IPv6 /64."""
    found = _address(address.partition("%")[0]) if len(address) <= _LONGEST_ADDRESS else None
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _SITE_BITS), strict=False))
    return address if found is None else str(found)


class Proxies:
    """The proxies whose `X-Forwarded-For` is believed; nobody else's is."""

    __slots__ = ("_all", "_networks")

    def __init__(self, addresses: Iterable[str]) -> None:
        """Believe those addresses and networks, `*` for everyone; raise ValueError for others."""
        named = tuple(addresses)
        self._all = "*" in named
        self._networks: tuple[_Network, ...] = tuple(
            _network(name) for name in named if name != "*"
        )

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """Return the client's address, from the values of the request's `X-Forwarded-For`.

        Each proxy adds at the end whom it heard, so that is the last one which is no proxy of ours.
        """
        address = peer
        if not self._believes(peer):
            return peer
        for entry in reversed(",".join(forwarded_for).split(",")):
            named = without_port(entry.strip())
            if not named:
                continue
            address = named
            if not self._believes(named):
                break
        return address

    def _believes(self, address: str) -> bool:
        if self._all:
            return True
        found = _address(address) if len(address) <= _LONGEST_ADDRESS else None
        return found is not None and any(found in network for network in self._networks)


@lru_cache(maxsize=1024)
def _address(text: str) -> _Address | None:
    """Return the address in `text`; an IPv4 address within IPv6 is that IPv4 address."""
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
