"""Signs access tokens for users and service tokens for services."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from typing_extensions import override

from madang_auth.metrics import AuthMetrics
from madang_auth.sessions.port import Session
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.signing.keyring import Keyring
from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_common.tokens.claims import ALGORITHM, SERVICES, USERS
from madang_common.tokens.service import ServiceTokens


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and a refresh token, issued for a password or a refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    """Lifetime of the access token in seconds."""


class TokenIssuer:
    """Issues tokens that expire after a few minutes."""

    def __init__(
        self,
        keyring: Keyring,
        *,
        issuer: str,
        access_seconds: int,
        service_seconds: int,
        metrics: AuthMetrics,
        clock: Clock,
    ) -> None:
        """Sign with the current key of `keyring`; `issuer` is the claim `iss`."""
        self._keyring = keyring
        self._issuer = issuer
        self._access_seconds = access_seconds
        self.service_seconds = service_seconds
        self._metrics = metrics
        self._clock = clock

    def token_pair(self, session: Session, token: RefreshToken) -> TokenPair:
        """Return `token` with a new access token of `session`."""
        self._metrics.issued("users")
        claims = {"sid": session.id, "username": session.username, "name": session.name}
        return TokenPair(
            access_token=self._sign(USERS, session.user, self._access_seconds, claims),
            refresh_token=token.text(),
            expires_in=self._access_seconds,
        )

    def service_token(self, service: str) -> str:
        """Return a service token for `service`."""
        self._metrics.issued("services")
        return self._sign(SERVICES, f"service:{service}", self.service_seconds, {})

    def _sign(self, audience: str, subject: str, seconds: int, claims: Mapping[str, str]) -> str:
        now = int(self._clock())
        payload = {
            "iss": self._issuer,
            "aud": audience,
            "sub": subject,
            **claims,
            "iat": now,
            "exp": now + seconds,
            "jti": new_id(),
        }
        keys = self._keyring.keys
        return jwt.encode(payload, keys.signing, algorithm=ALGORITHM, headers={"kid": keys.kid})


class OwnServiceTokens(ServiceTokens):
    """Service tokens of auth itself, signed without a request."""

    def __init__(self, issuer: TokenIssuer, *, clock: Clock) -> None:
        """Renew a token after half of its lifetime."""
        self._issuer = issuer
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0

    @override
    async def token(self) -> str:
        now = self._clock()
        if now >= self._renew_at:
            self._token = self._issuer.service_token("auth")
            self._renew_at = now + self._issuer.service_seconds / 2
        return self._token
