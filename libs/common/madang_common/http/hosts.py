"""Names of this deployment; requests for any other host are refused, against DNS rebinding.

An attacker's page can make its own name resolve to this server's address. The browser then treats
the responses as that page's own, but it sends the name in `Host`.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from madang_common.http.forwarded import without_port
from madang_common.lru import Lru
from madang_common.problems import Problem

_ANY = "*"
_MAX_KNOWN = 1000
_MAX_KNOWN_LENGTH = 255
"""Length of the longest name of DNS; longer ones are not kept."""
_LOCAL = {"localhost", "*.localhost"}
_SERVICES = re.compile(r"(?:auth|rooms|history|gateway)(?:-[0-9]+)?")
"""Names that services and Prometheus use for each other, including replicas."""


class UnknownHost(Problem):
    """The request is for a host that this deployment does not serve (RFC 9110 section 15.5.20)."""

    status, slug, title = 421, "unknown-host", "This server does not serve that host"


class AllowedHosts:
    """The hosts that requests may be for."""

    __slots__ = ("_any", "_domains", "_known", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        """Allow `names` and localhost; `*.name` allows all subdomains, `*` any host."""
        known = {name.lower() for name in names} | _LOCAL
        self._any = _ANY in known
        self._domains = tuple(name[1:] for name in known if name.startswith("*."))
        self._names = frozenset(known)
        self._known: Lru[str, bool] = Lru(_MAX_KNOWN)
        """Whether hosts of earlier requests are allowed, which never changes."""

    def check(self, hosts: Sequence[str]) -> None:
        """Raise UnknownHost unless there is no `Host` header, or one that is allowed."""
        if len(hosts) > 1 or (hosts and not self.allows(hosts[0])):
            raise UnknownHost(
                "This server does not serve that host. If the name is right, the operator must add"
                " it to MADANG_ALLOWED_HOSTS."
            )

    def allows(self, host: str) -> bool:
        """Return whether requests for `host`, with or without a port, are allowed.

        An IP address always is: DNS rebinding needs a name.
        """
        if self._any:
            return True
        known = self._known.get(host)
        if known is None:
            known = self._allows(host)
            if len(host) <= _MAX_KNOWN_LENGTH:
                self._known.put(host, known)
        return known

    def _allows(self, host: str) -> bool:
        name = without_port(host).rstrip(".").lower()
        return (
            name in self._names
            or _SERVICES.fullmatch(name) is not None
            or name.endswith(self._domains)
            or _is_address(name)
        )


def normal_host(text: str) -> str:
    """Return a host name in the form of `AllowedHosts`; raise ValueError if it is malformed."""
    text = text.strip()
    if text == _ANY:
        return text
    name = "" if "/" in text else without_port(text).rstrip(".").lower()
    bare = name.removeprefix("*.")
    try:
        ascii_name = bare if bare.isascii() else bare.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_name = ""
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]+", ascii_name):
        raise ValueError(f"{text!r} is not the name of a host; one is chat.example or *.example")
    return name.replace(bare, ascii_name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
