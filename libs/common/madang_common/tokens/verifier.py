"""Checks tokens: one pinned algorithm, issuer, audience, time, and a key of the issuer's."""

import time
from dataclasses import dataclass
from typing import Any, Self

import httpx
import jwt
from cachetools import LRUCache, TTLCache

from madang_common.clock import Clock
from madang_common.problems import Unauthenticated
from madang_common.tokens.claims import ALGORITHM, SERVICES, USERS, Claims, read_claims
from madang_common.tokens.keys import KeySet
from madang_common.tokens.plain import is_plain, read_plain

_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_LONGEST_TOKEN = 4096
_MOST_HEADS = 100
_ENDED_SECONDS = 86_400.0
"""Longer than any token can live."""
_MOST_ENDED = 100_000
_UNREADABLE = (
    jwt.PyJWTError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Exceptions that libraries raise for a malformed token."""


@dataclass(frozen=True, slots=True)
class _AllEnded:
    """All logins of a user have ended, but one."""

    second: int
    """Tokens issued before it hold no more, seconds since the epoch."""
    keep: str | None


class TokenVerifier:
    """Verifies tokens for one audience; each distinct token costs one signature check."""

    def __init__(
        self,
        keys: KeySet,
        *,
        issuer: str,
        audience: str,
        clock: Clock = time.time,
        cached: int = 20_000,
    ) -> None:
        """Accept tokens by `issuer` for `audience`, remembering the last `cached` good ones."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._good: LRUCache[str, Claims] = LRUCache(cached)
        self._kids: LRUCache[str, str] = LRUCache(_MOST_HEADS)
        """By the first part of tokens, which all that are signed with one key have in common."""
        self._ended: TTLCache[str, None] = TTLCache(_MOST_ENDED, _ENDED_SECONDS, timer=clock)
        """Logins whose tokens hold no more."""
        self._all_ended: TTLCache[str, _AllEnded] = TTLCache(
            _MOST_ENDED, _ENDED_SECONDS, timer=clock
        )
        """When all logins of a user ended, by user."""

    def verify_now(self, token: str) -> Claims | None:
        """Return the claims, or None if the key must be fetched first: then `verify`.

        Raise Unauthenticated if the token does not hold.
        """
        claims = self._good.get(token)
        if claims is None:
            key = self._keys.known(self._key_id(token))
            return None if key is None else self._remember(token, key)
        return self._if_it_holds(token, claims)

    async def verify(self, token: str) -> Claims:
        """Return the claims; raise Unauthenticated if the token does not hold."""
        claims = self.verify_now(token)
        if claims is not None:
            return claims
        key = await self._keys.get(self._key_id(token))
        if key is None:
            raise Unauthenticated("The token is signed with an unknown key. Log in again.")
        return self._remember(token, key)

    def end_login(self, login: str) -> None:
        """Refuse the tokens of `login` from now on, though they have not expired."""
        self._ended[login] = None

    def end_logins(self, user: str, *, at: float, keep: str | None) -> None:
        """Refuse the tokens of `user` that were issued before `at`, but those of the login `keep`.

        By whole seconds, as tokens are dated: one of the same second may be of a newer login.
        """
        known = self._all_ended.get(user)
        if known is None or known.second <= at:
            self._all_ended[user] = _AllEnded(int(at), keep)

    def holds(self, claims: Claims) -> bool:
        """Return whether the login of `claims` goes on, as far as it is known here."""
        if claims.login in self._ended:
            return False
        ended = self._all_ended.get(claims.subject)
        return ended is None or claims.login == ended.keep or claims.issued_at >= ended.second

    def _remember(self, token: str, key: jwt.PyJWK) -> Claims:
        claims = self._if_it_holds(token, self._check(token, key))
        self._good[token] = claims
        head = token.partition(".")[0]
        if head not in self._kids:
            # Only after the check: a forged head must not push out those in use.
            header = _header(token)
            if is_plain(header):
                self._kids[head] = _key_id_in(header)
        return claims

    def _key_id(self, token: str) -> str:
        """Return the `kid` of `token`; raise Unauthenticated if it has none or is no token."""
        if len(token) > _LONGEST_TOKEN:
            raise Unauthenticated("The token is too long. Log in again.")
        head = token.partition(".")[0]
        return self._kids.get(head) or _key_id_in(_header(token))

    def _if_it_holds(self, token: str, claims: Claims) -> Claims:
        if claims.expires_at <= self._clock():
            self._good.pop(token, None)
            raise Unauthenticated("The token has expired. Refresh it, or log in again.")
        if not self.holds(claims):
            raise Unauthenticated("This login was ended. Log in again.")
        return claims

    def _check(self, token: str, key: jwt.PyJWK) -> Claims:
        try:
            claims = read_claims(self._read_plain(token, key) or self._decode(token, key))
        except _UNREADABLE as error:
            raise Unauthenticated("The token does not hold. Log in again.") from error
        if not claims.login and self._audience != SERVICES:
            raise Unauthenticated("The token belongs to no login. Log in again.")
        return claims

    def _read_plain(self, token: str, key: jwt.PyJWK) -> dict[str, Any] | None:
        """Return what a token says that is in all respects as auth writes them."""
        if token.partition(".")[0] not in self._kids:
            return None
        payload = read_plain(token, key.key)
        if payload is None or "nbf" in payload:
            return None
        said = payload.get("iss"), payload.get("aud")
        kinds = tuple(type(payload.get(name)) for name in ("sub", "jti", "iat", "exp"))
        usual = said == (self._issuer, self._audience) and kinds == (str, str, int, int)
        return payload if usual else None

    def _decode(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        payload: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self._issuer,
            audience=self._audience,
            # `exp` is checked by our own clock; an `iat` just ahead shows a clock, no attack.
            options={
                "require": _REQUIRED,
                "verify_exp": False,
                "verify_iat": False,
                "strict_aud": True,
            },
        )
        return payload


def _header(token: str) -> dict[str, Any]:
    """Return the header of `token`; raise Unauthenticated if it has none."""
    try:
        header = jwt.get_unverified_header(token)
    except _UNREADABLE as error:
        raise Unauthenticated("This is not a token. Log in to get one.") from error
    return header


def _key_id_in(header: dict[str, Any]) -> str:
    """Return the name of the key that signed; raise Unauthenticated if it cannot be one of ours."""
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(kid, str) or not kid:
        raise Unauthenticated("The token is not signed as ours are. Log in again.")
    return kid


@dataclass(frozen=True, slots=True)
class Verifiers:
    """The verifiers of one service, for users' and for other services' tokens."""

    users: TokenVerifier
    services: TokenVerifier

    @classmethod
    def asking(cls, auth: httpx.AsyncClient, *, issuer: str, clock: Clock = time.time) -> Self:
        """Return verifiers that fetch the keys of `issuer` through `auth`."""
        keys = KeySet(auth)
        return cls(
            users=TokenVerifier(keys, issuer=issuer, audience=USERS, clock=clock),
            services=TokenVerifier(keys, issuer=issuer, audience=SERVICES, clock=clock),
        )
