"""The issuer's public keys, fetched as a JWK set (RFC 7517) and cached."""

import asyncio
import time

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from madang_common.problems import Unavailable

log = structlog.get_logger()

_PATH = "/.well-known/jwks.json"
_FRESH_SECONDS = 300.0
"""Age up to which cached keys are used without a new fetch."""
_REFETCH_SECONDS = 5.0
"""Shortest time between a fetch and the next one for an unknown `kid`."""
_RETRY_SECONDS = 1.0
"""Shortest time between a failed fetch and the next one."""


class KeySet:
    """Public keys by `kid`. An unknown `kid` causes a fetch, so that a new key works at once."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Fetch through `client`, which sends requests to auth."""
        self._client = client
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def known(self, kid: str) -> jwt.PyJWK | None:
        """Return the key if it is cached and fresh."""
        return None if self._age() > _FRESH_SECONDS else self._keys.get(kid)

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, or None if the issuer has none with that `kid`; fetch if necessary.

        While fetches fail, a key that was fetched before is returned at once. Raise Unavailable for
        any other.
        """
        key = self.known(kid)
        if key is not None or (self._age() < _REFETCH_SECONDS and kid not in self._keys):
            return key
        fetching = self._fetch_again()
        if fetching is not None and not (self._failing and kid in self._keys):
            await asyncio.shield(fetching)
        key = self._keys.get(kid)
        if key is None and self._failing:
            raise Unavailable("The token's key cannot be fetched now; try again in a moment.")
        return key

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    @property
    def _failing(self) -> bool:
        """Whether the last fetch failed."""
        return self._failed_at > self._fetched_at

    def _fetch_again(self) -> asyncio.Task[None] | None:
        """Return the running fetch, or a new one, or None within `_RETRY_SECONDS` of a failure."""
        if self._fetching is None and time.monotonic() - self._failed_at >= _RETRY_SECONDS:
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            answer = await self._client.get(_PATH)
            answer.raise_for_status()
            self._keys = _signing_keys(jwt.PyJWKSet.from_dict(answer.json()))
            self._fetched_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - after any failure it must wait before the next fetch
            self._failed_at = time.monotonic()
            log.warning("jwks_fetch_failed", error=repr(error))
        finally:
            self._fetching = None


def _signing_keys(found: jwt.PyJWKSet) -> dict[str, jwt.PyJWK]:
    """Return the keys that may sign tokens, by `kid`: Ed25519 keys whose `kid` is a text."""
    named = {
        key.key_id: key
        for key in found.keys
        if isinstance(key.key_id, str) and isinstance(key.key, Ed25519PublicKey)
    }
    if not named:
        raise ValueError("no Ed25519 key with a kid")
    return named
