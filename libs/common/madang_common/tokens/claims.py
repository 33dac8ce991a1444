"""The claims of a verified token."""

from collections.abc import Mapping
from dataclasses import dataclass

USERS = "madang"
"""`aud` of an access token: a user at the public interfaces."""
SERVICES = "madang-internal"
"""`aud` of a service token: a service at another service's `/internal`."""
ALGORITHM = "EdDSA"
"""The only algorithm that is accepted (RFC 8037, Ed25519)."""
_MAX_SECONDS = 253_402_300_799
"""The end of the year 9999; later times are refused."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that services use."""

    subject: str
    """`sub`: the user's id, or `service:{name}`."""
    session: str
    """`sid`: id of the session that the token belongs to; empty for a service."""
    username: str
    name: str
    """Display name."""
    expires_at: int
    """`exp`, seconds since the epoch."""
    issued_at: int = 0
    """`iat`, seconds since the epoch."""


def read_claims(payload: Mapping[str, object]) -> Claims:
    """Return the claims in `payload`; raise ValueError if one is missing or of a wrong type.

    The issuer's signature proves who wrote a payload, not that its values have the right types.
    """
    return Claims(
        subject=_text(payload, "sub"),
        session=_text(payload, "sid", missing=""),
        username=_text(payload, "username", missing=""),
        name=_text(payload, "name", missing=""),
        expires_at=_seconds(payload, "exp"),
        issued_at=_seconds(payload, "iat"),
    )


def _text(payload: Mapping[str, object], name: str, *, missing: str | None = None) -> str:
    value = payload.get(name, missing)
    if not isinstance(value, str) or not (value or missing == ""):
        raise ValueError(f"{name} is not a string")
    value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return value


def _seconds(payload: Mapping[str, object], name: str) -> int:
    """Return a NumericDate (RFC 7519 section 2), without its fraction."""
    value = payload.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{name} is not a number")  # noqa: TRY004 - callers handle ValueError only
    # False for NaN as well.
    if not 0 <= value <= _MAX_SECONDS:
        raise ValueError(f"{name} is not a time")
    return int(value)
