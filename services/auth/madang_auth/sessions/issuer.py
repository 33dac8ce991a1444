"""Signs access tokens for people and service tokens for services."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from typing_extensions import override

from madang_auth.metrics import AuthMetrics
from madang_auth.sessions.port import Login
from madang_auth.sessions.refresh_tokens import RefreshToken
from madang_auth.signing.keyring import Keyring
from madang_common.clock import Clock
from madang_common.ids import new_id
from madang_common.tokens.claims import ALGORITHM, SERVICES, USERS
from madang_common.tokens.service import ServiceTokens


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client gets for a password or a refresh token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    """Seconds for which the access token holds."""


class Issuer:
    """Makes tokens that hold for a few minutes."""

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
        """Sign with the signing key of `keyring`, as `issuer`."""
        self._keyring = keyring
        self._issuer = issuer
        self._access_seconds = access_seconds
        self.service_seconds = service_seconds
        self._metrics = metrics
        self._clock = clock

    def grant(self, login: Login, token: RefreshToken) -> Grant:
        """Return `token` and an access token of `login`."""
        self._metrics.issued("users")
        claims = {"sid": login.id, "username": login.username, "name": login.name}
        return Grant(
            access_token=self._sign(USERS, login.user, self._access_seconds, claims),
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
    """auth's own service tokens: it need not ask anyone."""

    def __init__(self, issuer: Issuer, *, clock: Clock) -> None:
        """Sign through `issuer`, and again when half of a token's time is over."""
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
