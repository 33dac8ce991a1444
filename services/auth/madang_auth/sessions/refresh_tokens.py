"""Refresh tokens: what a client holds, and the hashes that are all the store ever sees.

A token is `{login id}.{family}.{secret}`. The family stays the same for the life of a login, the
secret changes with each refresh. So a token with the right family and a secret from earlier can
only come from someone who once held a real one, and the store need not remember used secrets.

The successor's secret is an HMAC over a random nonce, keyed with the presented secret. The store
keeps the nonce: when the client lost the answer and asks again, the very same successor can be
made for it, from what it presents and from nothing that is stored alone.
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
LONGEST = 24 + 1 + 20 + 1 + 44


@dataclass(frozen=True, slots=True)
class Presented:
    """The hashes of a refresh token, for the store to compare."""

    login: str
    family: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token in clear; it never leaves this process but towards its client."""

    login: str
    family: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @classmethod
    def first(cls, login: str) -> Self:
        """Return a new family's first token."""
        return cls(login, secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the token behind `text`; or None if it is none."""
        parts = _TOKEN.fullmatch(text)
        if parts is None:
            return None
        login, family, secret = parts.groups()
        return cls(login, urlsafe_b64decode(family), urlsafe_b64decode(secret))

    def text(self) -> str:
        """Return the token as the client keeps it."""
        family, secret = urlsafe_b64encode(self.family), urlsafe_b64encode(self.secret)
        return f"{self.login}.{family.decode()}.{secret.decode()}"

    def hashed(self) -> Presented:
        """Return the token's hashes; plain SHA-256, for the parts are random and long."""
        return Presented(
            login=self.login,
            family=hashlib.sha256(self.family).digest(),
            secret=hashlib.sha256(self.secret).digest(),
        )

    def successor(self, nonce: bytes) -> Self:
        """Return the token that follows this one by `nonce`."""
        return replace(self, secret=hmac.digest(self.secret, nonce, "sha384")[:_SECRET_BYTES])


def new_nonce() -> bytes:
    """Return what makes one successor of a token differ from any other."""
    return secrets.token_bytes(_NONCE_BYTES)
