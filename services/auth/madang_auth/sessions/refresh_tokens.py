"""Refresh tokens, which only clients hold; the store has their hashes.

A token is `{session id}.{family}.{secret}`. The family is constant for a session, the secret
changes with each refresh. A token with the right family and another secret was therefore issued
earlier, so the store detects reuse without keeping used secrets.

The successor's secret is an HMAC over a random nonce, keyed with the presented secret. The store
keeps the nonce: if the client lost the answer and repeats the request, it gets the same successor.
The store alone cannot derive it, because the key is in the presented token.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from typing import Self

_FAMILY_BYTES = 15
_SECRET_BYTES = 33
_NONCE_BYTES = 16
_TOKEN = re.compile(r"([0-9a-v]{24})\.([\w-]{20})\.([\w-]{44})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TokenHashes:
    """The hashes of a refresh token, which the store compares."""

    session: str
    family: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token in clear text; it is sent to its client and never stored."""

    session: str
    family: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @classmethod
    def first(cls, session: str) -> Self:
        """Return the first token of a new family."""
        return cls(session, secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the token in `text`; None if it is malformed."""
        parts = _TOKEN.fullmatch(text)
        if parts is None:
            return None
        session, family, secret = parts.groups()
        return cls(session, urlsafe_b64decode(family), urlsafe_b64decode(secret))

    def text(self) -> str:
        """Return the token as text for the client."""
        family, secret = urlsafe_b64encode(self.family), urlsafe_b64encode(self.secret)
        return f"{self.session}.{family.decode()}.{secret.decode()}"

    def hashes(self) -> TokenHashes:
        """Return the token's hashes; SHA-256 without salt is enough for long random values."""
        return TokenHashes(
            session=self.session,
            family=hashlib.sha256(self.family).digest(),
            secret=hashlib.sha256(self.secret).digest(),
        )

    def successor(self, nonce: bytes) -> Self:
        """Return the successor of this token that `nonce` derives."""
        return replace(self, secret=hmac.digest(self.secret, nonce, "sha384")[:_SECRET_BYTES])


def new_nonce() -> bytes:
    """Return a random nonce for a successor."""
    return secrets.token_bytes(_NONCE_BYTES)
