"""HTTP clients of the other services, with this service's token."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from madang_common.http.client import create_client
from madang_common.settings import CommonSettings
from madang_common.tokens.service import ClientCredentials, ServiceAuth
from madang_common.tokens.verifier import Verifiers


@dataclass(frozen=True, slots=True)
class Backends:
    """One client for each service; every request carries this service's token."""

    auth: httpx.AsyncClient
    rooms: httpx.AsyncClient
    history: httpx.AsyncClient
    verifiers: Verifiers
    """Verify tokens with auth's public keys."""


@asynccontextmanager
async def open_backends(
    settings: CommonSettings, *, service: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Backends]:
    """Yield the clients of the service named `service`, and close them afterwards.

    `transport` replaces the network, for services in the same process.
    """
    async with AsyncExitStack() as stack:
        # Service tokens and public keys are requested without a service token.
        keys = await stack.enter_async_context(
            create_client(settings.auth_url, transport=transport)
        )
        secret = settings.service_client_secret.get_secret_value()
        credentials = ServiceAuth(ClientCredentials(keys, name=service, secret=secret))
        auth, rooms, history = [
            await stack.enter_async_context(
                create_client(url, auth=credentials, transport=transport)
            )
            for url in (settings.auth_url, settings.rooms_url, settings.history_url)
        ]
        yield Backends(auth, rooms, history, Verifiers.from_jwks(keys, issuer=settings.issuer))
