import httpx
import pytest

from madang_common.http.backends import open_backends
from madang_common.settings import CommonSettings, Environment
from tests.support.issuer import Issuer

SETTINGS = CommonSettings(environment=Environment.DEVELOPMENT)


class Network:
    """Answers for all services, and records which tokens requests had."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.tokens: dict[str, str | None] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = f"{request.url.host}{request.url.path}"
        self.tokens[path] = request.headers.get("Authorization")
        match path:
            case "auth/internal/token":
                token = self.issuer.service_token("history")
                return httpx.Response(200, json={"access_token": token, "expires_in": 300})
            case "auth/.well-known/jwks.json":
                return httpx.Response(200, json=self.issuer.jwks())
        return httpx.Response(200)


async def test_every_client_sends_the_service_token() -> None:
    network = Network()
    transport = httpx.MockTransport(network.answer)

    async with open_backends(SETTINGS, service="history", transport=transport) as backends:
        for client in (backends.auth, backends.rooms, backends.history):
            await client.get("/x")

    sent = {network.tokens[f"{name}/x"] for name in ("auth", "rooms", "history")}
    assert len(sent) == 1
    assert str(sent.pop()).startswith("Bearer ")
    assert str(network.tokens["auth/internal/token"]).startswith("Basic ")


async def test_public_keys_are_fetched_without_a_token() -> None:
    network = Network()
    transport = httpx.MockTransport(network.answer)

    async with open_backends(SETTINGS, service="history", transport=transport) as backends:
        claims = await backends.verifiers.users.verify(network.issuer.token("ana"))

    assert claims.subject == "ana"
    assert network.tokens == {"auth/.well-known/jwks.json": None}


async def test_the_clients_are_closed_at_the_end() -> None:
    transport = httpx.MockTransport(Network().answer)
    async with open_backends(SETTINGS, service="history", transport=transport) as backends:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        await backends.rooms.get("/x")
