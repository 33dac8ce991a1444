"""The services that may ask for service tokens, and how they show who they are."""

import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping

from pydantic import SecretStr

from madang_auth.problems import InvalidClient
from madang_auth.sessions.issuer import Issuer
from madang_auth.throttle.limiter import Limiter

_LONGEST = 512


class Clients:
    """Gives a service token for a name and its secret."""

    def __init__(self, known: Mapping[str, SecretStr], *, issuer: Issuer, gate: Limiter) -> None:
        self._secrets = {name: secret.get_secret_value() for name, secret in known.items()}
        self._issuer = issuer
        self._gate = gate
        self._nobodys = secrets.token_urlsafe()

    async def token(self, authorization: str, address: str) -> str:
        """Return a token for the service in an `Authorization: Basic` header.

        Raise InvalidClient, or TooManyRequests after too many of those.
        """
        name, secret = read_basic(authorization)
        expected = self._secrets.get(name)
        # All unknown names count as one: nobody gets a new allowance by inventing a name.
        async with self._gate.client("" if expected is None else name, address):
            fits = hmac.compare_digest((expected or self._nobodys).encode(), secret.encode())
            if expected is None or not fits:
                raise InvalidClient
        return self._issuer.service_token(name)


def read_basic(authorization: str) -> tuple[str, str]:
    """Return name and secret of an `Authorization: Basic` header, or raise InvalidClient."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic" or len(encoded) > _LONGEST:
            raise InvalidClient(
                "Send Authorization: Basic with the name and the secret of a service."
            )
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise InvalidClient(
            "The Authorization header cannot be read. Send name and secret as Basic (RFC 7617)."
        ) from None
    if not name or not colon:
        raise InvalidClient(
            "The Authorization header names no service. Send name and secret, parted by a colon."
        )
    return name, secret
