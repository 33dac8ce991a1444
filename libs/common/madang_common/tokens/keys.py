"""The issuer's public keys, fetched as a JWK set and kept for a while (RFC 7517)."""

import asyncio
import time

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from madang_common.problems import Unavailable

log = structlog.get_logger()


class KeySet:
    """Public keys by `kid`. An unknown `kid` makes it ask again, so a new key works at once."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        path: str = "/.well-known/jwks.json",
        keep_seconds: float = 300.0,
        pause_seconds: float = 5.0,
        retry_seconds: float = 1.0,
    ) -> None:
        """Ask auth through `client`, after `keep_seconds` anew, never within `pause_seconds`.

        After a failure it asks again, but never within `retry_seconds`.
        """
        self._client = client
        self._path = path
        self._keep = keep_seconds
        self._pause = pause_seconds
        self._retry = retry_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def known(self, kid: str) -> jwt.PyJWK | None:
        """Return the key if it is at hand and fresh."""
        return None if self._age() > self._keep else self._keys.get(kid)

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, asking the issuer if need be; raise Unavailable if that fails.

        With the issuer away, a key that was fetched before goes on being used, without waiting.
        """
        key = self.known(kid)
        if key is not None or (self._age() < self._pause and kid not in self._keys):
            return key
        fetching = self._fetch_again()
        if fetching is not None and not (self._away and kid in self._keys):
            await asyncio.shield(fetching)
        key = self._keys.get(kid)
        if key is None and self._away:
            raise Unavailable("The token's key cannot be fetched now. Try again in a moment.")
        return key

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    @property
    def _away(self) -> bool:
        """Whether the issuer did not answer when it was last asked."""
        return self._failed_at > self._fetched_at

    def _fetch_again(self) -> asyncio.Task[None] | None:
        """Return the fetch under way, or a new one, or None if the last one has just failed."""
        if self._fetching is None and time.monotonic() - self._failed_at >= self._retry:
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        return self._fetching

    async def _fetch(self) -> None:
        try:
            answer = await self._client.get(self._path)
            answer.raise_for_status()
            self._keys = _signing_keys(jwt.PyJWKSet.from_dict(answer.json()))
            self._fetched_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - any failure counts, or every request would fetch again
            self._failed_at = time.monotonic()
            log.warning("jwks_fetch_failed", error=repr(error))
        finally:
            self._fetching = None


def _signing_keys(found: jwt.PyJWKSet) -> dict[str, jwt.PyJWK]:
    """Return the keys that may sign tokens, by `kid`: Ed25519 keys with a `kid` that is text."""
    named = {
        key.key_id: key
        for key in found.keys
        if isinstance(key.key_id, str) and isinstance(key.key, Ed25519PublicKey)
    }
    if not named:
        raise ValueError("no key that signs tokens")
    return named
