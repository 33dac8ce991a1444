"""The issuer's public keys, fetched as a JWK set and kept for a while (RFC 7517)."""

import asyncio
import time

import httpx
import jwt
import structlog

from madang_common.problems import Problem, Unavailable

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
    ) -> None:
        """Ask auth through `client`, after `keep_seconds` anew, never within `pause_seconds`."""
        self._client = client
        self._path = path
        self._keep = keep_seconds
        self._pause = pause_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def known(self, kid: str) -> jwt.PyJWK | None:
        """Return the key if it is at hand and fresh."""
        return None if self._age() > self._keep else self._keys.get(kid)

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """Return the key, asking the issuer if need be; raise Unavailable if that fails.

        With the issuer away, a key that was fetched before goes on being used.
        """
        key = self.known(kid)
        if key is not None or (self._age() < self._pause and kid not in self._keys):
            return key
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        try:
            await asyncio.shield(self._fetching)
        except (httpx.HTTPError, Problem, ValueError) as error:
            log.warning("jwks_fetch_failed", error=repr(error))
            if kid not in self._keys:
                raise Unavailable("the token's key cannot be fetched now") from error
        return self._keys.get(kid)

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    async def _fetch(self) -> None:
        try:
            answer = await self._client.get(self._path)
            answer.raise_for_status()
            self._keys = {
                key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys if key.key_id
            }
            self._fetched_at = time.monotonic()
        except jwt.PyJWTError as error:
            raise ValueError(str(error)) from error
        finally:
            self._fetching = None
