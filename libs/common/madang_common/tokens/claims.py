"""What a token says, once it has been verified."""

from dataclasses import dataclass

USERS = "madang"
"""`aud` of an access token: a person at the public interfaces."""
SERVICES = "madang-internal"
"""`aud` of a service token: one service at another's `/internal`."""
ALGORITHM = "EdDSA"
"""The only algorithm that is accepted (RFC 8037, Ed25519)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token."""

    subject: str
    """`sub`: the user's id, or `service:{name}`."""
    login: str
    """`sid`: id of the login that the token belongs to; empty for a service."""
    username: str
    name: str
    """Display name."""
    expires_at: int
    """`exp`, seconds since the epoch."""
    issued_at: int = 0
    """`iat`, seconds since the epoch."""
