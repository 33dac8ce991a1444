"""Authentication of the services that request service tokens."""

import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping

from pydantic import SecretStr

from madang_auth.problems import InvalidClient
from madang_auth.sessions.issuer import TokenIssuer
from madang_auth.throttle.limiter import Limiter

_LONGEST = 512
"""Longest encoded credentials."""


class ServiceClients:
    """Issues service tokens for a service's name and secret."""

    def __init__(
        self, secret_of: Mapping[str, SecretStr], *, issuer: TokenIssuer, limiter: Limiter
    ) -> None:
        self._secrets = {name: secret.get_secret_value() for name, secret in secret_of.items()}
        self._issuer = issuer
        self._limiter = limiter
        self._dummy = secrets.token_urlsafe()

    async def token(self, authorization: str, address: str) -> str:
        """Return a token for the service in an `Authorization: Basic` header.

        Raise InvalidClient, or TooManyRequests after too many failures.
        """
        name, secret = read_basic(authorization)
        expected = self._secrets.get(name)
        # All unknown names share one limit: a made-up name does not give another attempt.
        async with self._limiter.client("" if expected is None else name, address):
            matches = hmac.compare_digest((expected or self._dummy).encode(), secret.encode())
            if expected is None or not matches:
                raise InvalidClient
        return self._issuer.service_token(name)


def read_basic(authorization: str) -> tuple[str, str]:
    """Return name and secret of an `Authorization: Basic` header; raise InvalidClient."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic" or len(encoded) > _LONGEST:
            raise InvalidClient(
                "Send Authorization: Basic with the name and the secret of a service."
            )
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise InvalidClient(
            "The Authorization header is malformed; send name and secret as Basic (RFC 7617)."
        ) from None
    if not name or not colon:
        raise InvalidClient(
            "The Authorization header has no service name; send `name:secret` as Basic (RFC 7617)."
        )
    return name, secret
