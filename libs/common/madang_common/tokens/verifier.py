"""Verifies tokens: signature, algorithm, issuer, audience, expiry, and revoked sessions."""

import time
from dataclasses import dataclass
from typing import Any, Self

import httpx
import jwt
from cachetools import LRUCache, TTLCache

from madang_common.clock import Clock
from madang_common.problems import Unauthenticated
from madang_common.tokens.claims import SERVICES, USERS, Claims, read_claims
from madang_common.tokens.fast_verify import is_ordinary, verify_fast
from madang_common.tokens.general_verify import MALFORMED, header_of, key_id_of, verify
from madang_common.tokens.keys import KeySet

_MAX_TOKEN_LENGTH = 4096
_MAX_VERIFIED = 20_000
_MAX_HEADERS = 100
_REVOKED_SECONDS = 86_400.0
"""Longer than any token is valid."""
_MAX_REVOKED = 100_000


@dataclass(frozen=True, slots=True)
class _AllRevoked:
    """All sessions of a user were revoked, except one."""

    second: int
    """Tokens issued before it are refused, seconds since the epoch."""
    keep: str | None


class TokenVerifier:
    """Verifies tokens for one audience; each distinct token costs one signature check."""

    def __init__(
        self, keys: KeySet, *, issuer: str, audience: str, clock: Clock = time.time
    ) -> None:
        """Accept tokens that `issuer` signed with one of `keys` for `audience`."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._verified: LRUCache[str, Claims] = LRUCache(_MAX_VERIFIED)
        self._key_ids: LRUCache[str, str] = LRUCache(_MAX_HEADERS)
        """The `kid` by the encoded header, which all tokens signed with one key have in common.

        Only headers of verified tokens, and only those that the fast path may read.
        """
        self._revoked: TTLCache[str, None] = TTLCache(_MAX_REVOKED, _REVOKED_SECONDS, timer=clock)
        """Sessions whose tokens are refused."""
        self._all_revoked: TTLCache[str, _AllRevoked] = TTLCache(
            _MAX_REVOKED, _REVOKED_SECONDS, timer=clock
        )
        """When all sessions of a user were revoked, by user."""

    def verify_now(self, token: str) -> Claims | None:
        """Return the claims, or None if the key must be fetched first; then call `verify`.

        Raise Unauthenticated if the token is not valid.
        """
        claims = self._verified.get(token)
        if claims is None:
            key = self._keys.known(self._key_id(token))
            return None if key is None else self._verify(token, key)
        return self._check_active(token, claims)

    async def verify(self, token: str) -> Claims:
        """Return the claims; raise Unauthenticated if the token is not valid."""
        claims = self.verify_now(token)
        if claims is not None:
            return claims
        key = await self._keys.get(self._key_id(token))
        if key is None:
            raise Unauthenticated("The token was signed with an unknown key; log in again.")
        return self._verify(token, key)

    def revoke_session(self, session: str) -> None:
        """Refuse the tokens of `session` from now on, although they have not expired."""
        self._revoked[session] = None

    def revoke_sessions(self, user: str, *, at: float, keep: str | None) -> None:
        """Refuse the tokens of `user` that were issued before `at`, except those of session `keep`.

        Compares whole seconds, as in `iat`: a token of the same second may be of a newer session.
        """
        known = self._all_revoked.get(user)
        if known is None or known.second <= at:
            self._all_revoked[user] = _AllRevoked(int(at), keep)

    def is_active(self, claims: Claims) -> bool:
        """Return whether the session of `claims` is not known to be revoked."""
        if claims.session in self._revoked:
            return False
        revoked = self._all_revoked.get(claims.subject)
        return (
            revoked is None or claims.session == revoked.keep or claims.issued_at >= revoked.second
        )

    def _key_id(self, token: str) -> str:
        """Return the `kid` of `token`, not verified; raise Unauthenticated if it has none."""
        if len(token) > _MAX_TOKEN_LENGTH:
            raise Unauthenticated("The token is too long; log in again.")
        return self._key_ids.get(_head(token)) or key_id_of(header_of(token))

    def _verify(self, token: str, key: jwt.PyJWK) -> Claims:
        """Verify and cache a token; return its claims."""
        try:
            claims = read_claims(self._payload(token, key))
        except MALFORMED as error:
            raise Unauthenticated("Invalid token; log in again.") from error
        if not claims.session and self._audience != SERVICES:
            raise Unauthenticated("The token belongs to no session; log in again.")
        self._check_active(token, claims)
        self._verified[token] = claims
        self._note_header(token)
        return claims

    def _payload(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        issuer, audience = self._issuer, self._audience
        if _head(token) in self._key_ids:
            payload = verify_fast(token, key.key, issuer=issuer, audience=audience)
            if payload is not None:
                return payload
        return verify(token, key, issuer=issuer, audience=audience)

    def _note_header(self, token: str) -> None:
        """Cache the header, so that later tokens with the same header take the fast path.

        Only for a verified token: forged headers could evict those in use.
        """
        head = _head(token)
        if head not in self._key_ids:
            header = header_of(token)
            if is_ordinary(header):
                self._key_ids[head] = key_id_of(header)

    def _check_active(self, token: str, claims: Claims) -> Claims:
        """Return `claims`; raise Unauthenticated if the token expired or was revoked."""
        if claims.expires_at <= self._clock():
            self._verified.pop(token, None)
            raise token_expired()
        if not self.is_active(claims):
            raise session_ended()
        return claims


def session_ended() -> Unauthenticated:
    """Return the refusal of a token whose session was revoked."""
    return Unauthenticated("This session has ended; log in again.")


def token_expired() -> Unauthenticated:
    """Return the refusal of an expired token."""
    return Unauthenticated("Token expired; refresh it or log in again.")


def _head(token: str) -> str:
    """Return the encoded header of `token`."""
    return token.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Verifiers:
    """The verifiers of one service, for tokens of users and of other services."""

    users: TokenVerifier
    services: TokenVerifier

    @classmethod
    def from_jwks(cls, auth: httpx.AsyncClient, *, issuer: str, clock: Clock = time.time) -> Self:
        """Return verifiers that fetch the JWK set of `issuer` through `auth`."""
        keys = KeySet(auth)
        return cls(
            users=TokenVerifier(keys, issuer=issuer, audience=USERS, clock=clock),
            services=TokenVerifier(keys, issuer=issuer, audience=SERVICES, clock=clock),
        )
