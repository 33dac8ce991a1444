"""The `Authorization` header with a bearer token (RFC 6750 section 2.1)."""


def bearer_token(authorization: str | None) -> str | None:
    """Return the token after the scheme, which may be empty; None for any other scheme."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
