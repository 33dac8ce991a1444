"""Service tokens: how a service authenticates to another service."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from madang_common.clock import MonotonicClock

_RENEW_BEFORE_SECONDS = 30.0


class ServiceTokens(Protocol):
    """Source of service tokens."""

    async def token(self) -> str:
        """Return a token for `Authorization: Bearer`, valid for a few more seconds at least."""
        ...


class _Grant(BaseModel):
    # Without `hide_input_in_errors` an error's text would contain the token, and reach the logs.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, strict=True)

    access_token: str
    expires_in: float = Field(gt=0, allow_inf_nan=False)


def _read(answer: httpx.Response) -> _Grant:
    try:
        return _Grant.model_validate_json(answer.content)
    except ValidationError as error:
        raise httpx.DecodingError("not a service token", request=answer.request) from error


class ClientCredentials(ServiceTokens):
    """Requests service tokens from auth with client credentials (RFC 6749 section 4.4)."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        name: str,
        secret: str,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        """Authenticate as the service `name`; `client` sends requests to auth."""
        self._client = client
        self._auth = httpx.BasicAuth(name, secret)
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    @override
    async def token(self) -> str:
        if self._clock() < self._renew_at:
            return self._token
        async with self._lock:
            if self._clock() >= self._renew_at:
                answer = await self._client.post(
                    "/internal/token", data={"grant_type": "client_credentials"}, auth=self._auth
                )
                answer.raise_for_status()
                grant = _read(answer)
                self._token = grant.access_token
                self._renew_at = self._clock() + grant.expires_in - _RENEW_BEFORE_SECONDS
        return self._token


class ServiceAuth(httpx.Auth):
    """Adds a service token to each request of an httpx client."""

    def __init__(self, tokens: ServiceTokens) -> None:
        self._tokens = tokens

    @override
    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {await self._tokens.token()}"
        yield request
