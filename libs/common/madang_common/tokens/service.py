"""Service tokens: how one service shows another who it is."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Protocol

import httpx
from typing_extensions import override

from madang_common.clock import Clock

_RENEW_BEFORE_SECONDS = 30.0


class ServiceTokens(Protocol):
    """Gives a service token that still holds for a while."""

    async def token(self) -> str:
        """Return a token for `Authorization: Bearer`."""
        ...


class ClientCredentials(ServiceTokens):
    """Gets service tokens from auth by client credentials (RFC 6749 section 4.4)."""

    def __init__(
        self, client: httpx.AsyncClient, *, name: str, secret: str, clock: Clock = time.time
    ) -> None:
        """Ask auth through `client` as the service `name`."""
        self._client = client
        self._auth = httpx.BasicAuth(name, secret)
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    @override
    async def token(self) -> str:
        async with self._lock:
            if self._clock() >= self._renew_at:
                answer = await self._client.post(
                    "/internal/token", data={"grant_type": "client_credentials"}, auth=self._auth
                )
                answer.raise_for_status()
                document = answer.json()
                self._token = document["access_token"]
                self._renew_at = self._clock() + document["expires_in"] - _RENEW_BEFORE_SECONDS
        return self._token


class ServiceAuth(httpx.Auth):
    """Adds the service token to each request of an httpx client."""

    def __init__(self, tokens: ServiceTokens) -> None:
        self._tokens = tokens

    @override
    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {await self._tokens.token()}"
        yield request
