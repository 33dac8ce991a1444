"""Origins of pages (RFC 6454): the form in which browsers send them."""

from collections.abc import Collection, Sequence
from urllib.parse import SplitResult, urlsplit

ANY = "*"
_OPAQUE = "null"
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_EXAMPLE = "an origin is https://app.example"


def normal_origin(text: str) -> str:
    """Return an origin as browsers send it; raise ValueError if it cannot match any."""
    text = text.strip()
    if text in {ANY, _OPAQUE}:
        return text
    parts = _split(text)
    if not parts.scheme or not parts.netloc:
        raise ValueError(f"{text!r} has no scheme or no host; {_EXAMPLE}")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} is more than scheme, host and port; {_EXAMPLE}")
    return f"{parts.scheme}://{_authority(parts, text)}"


def is_same_host(origin: str, hosts: Sequence[str]) -> bool:
    """Return whether `origin` and the request's only `Host` name the same host and port."""
    try:
        parts = _split(origin)
        own = _authority(parts, origin)
        requested = _authority(_split(f"{parts.scheme}://{hosts[0]}"), origin) if hosts else ""
    except ValueError:
        return False
    return len(hosts) == 1 and own == requested


def is_allowed(origins: Sequence[str], allowed: Collection[str]) -> bool:
    """Return whether the request's only `Origin` is in `allowed`."""
    return len(origins) == 1 and (ANY in allowed or origins[0] in allowed)


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an origin; {_EXAMPLE}") from None


def _authority(parts: SplitResult, text: str) -> str:
    """Return host and port in lower-case ASCII, without the default port of the scheme."""
    host = parts.hostname
    try:
        port = parts.port
        ascii_host = host if not host or host.isascii() else host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise ValueError(f"{text!r} has an invalid host or port") from None
    if not ascii_host or not set(ascii_host).isdisjoint("*, "):
        raise ValueError(f"{text!r} does not name one host; {_EXAMPLE}")
    if ":" in ascii_host:
        ascii_host = f"[{ascii_host}]"
    return (
        ascii_host if port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f"{ascii_host}:{port}"
    )
