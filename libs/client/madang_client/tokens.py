"""A login's pair of tokens."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from madang_client.errors import ProtocolError

_RENEW_BEFORE_SECONDS = 60.0
_RENEW_BEFORE_PART = 0.25


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, and the refresh token that gets the next pair, once."""

    access: str
    refresh: str
    expires_at: float
    """Expiry of `access`, in seconds since the epoch by this machine's clock."""
    lifetime_seconds: float

    @property
    def renew_at(self) -> float:
        """Return the time of renewal: a minute, or a quarter of the lifetime, before expiry."""
        return self.expires_at - min(
            _RENEW_BEFORE_SECONDS, self.lifetime_seconds * _RENEW_BEFORE_PART
        )

    @property
    def claims(self) -> Mapping[str, Any]:
        """Return the claims of the access token, not verified."""
        try:
            payload = self.access.split(".")[1]
            found = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, binascii.Error, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def document(self) -> dict[str, Any]:
        """Return the tokens as a JSON document."""
        return asdict(self)


def granted(document: Any, now: float) -> Tokens:
    """Return the tokens in a response of the server at `now`."""
    try:
        lifetime = float(document["expires_in"])
        return Tokens(
            access=str(document["access_token"]),
            refresh=str(document["refresh_token"]),
            expires_at=now + lifetime,
            lifetime_seconds=lifetime,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError("the server's response contains no tokens") from error


def stored(document: Any) -> Tokens:
    """Return the tokens in a `Tokens.document`; raise ValueError if it is malformed."""
    try:
        return Tokens(
            access=str(document["access"]),
            refresh=str(document["refresh"]),
            expires_at=float(document["expires_at"]),
            lifetime_seconds=float(document["lifetime_seconds"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("these are no tokens") from error
