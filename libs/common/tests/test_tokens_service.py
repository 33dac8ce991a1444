import asyncio

import httpx
import pytest

from madang_common.http.client import call, create_client
from madang_common.problems import Unavailable
from madang_common.tokens.service import ClientCredentials, ServiceAuth


class Auth:
    """Auth's token page: gives a new token each time, for the right secret."""

    def __init__(self) -> None:
        self.given = 0
        self.now = 1000.0

    async def page(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        right = httpx.BasicAuth("history", "right")._auth_header
        if request.headers["Authorization"] != right:
            return httpx.Response(401)
        assert request.url.path == "/internal/token"
        assert await request.aread() == b"grant_type=client_credentials"
        self.given += 1
        token = {"access_token": f"t{self.given}", "token_type": "Bearer", "expires_in": 300}
        return httpx.Response(200, json=token)

    def tokens(self, secret: str = "right") -> ClientCredentials:
        client = create_client("http://auth", transport=httpx.MockTransport(self.page))
        return ClientCredentials(client, name="history", secret=secret, clock=lambda: self.now)


def rooms(auth: httpx.Auth) -> httpx.AsyncClient:
    """Return a client of a service that answers with the token it was shown."""
    echo = httpx.MockTransport(lambda r: httpx.Response(200, text=r.headers["Authorization"]))
    return create_client("http://rooms", auth=auth, transport=echo)


async def test_requests_carry_the_token() -> None:
    answer = await call(rooms(ServiceAuth(Auth().tokens())), "POST", "/internal/access")

    assert answer.text == "Bearer t1"


async def test_a_token_is_used_until_shortly_before_its_end() -> None:
    auth = Auth()
    tokens = auth.tokens()

    seen = []
    for _ in range(4):
        seen.append(await tokens.token())
        auth.now += 100

    assert seen == ["t1", "t1", "t1", "t2"]


async def test_concurrent_callers_share_one_request() -> None:
    auth = Auth()
    tokens = auth.tokens()

    seen = await asyncio.gather(*(tokens.token() for _ in range(50)))

    assert set(seen) == {"t1"}


async def test_a_wrong_secret_makes_the_other_service_unavailable() -> None:
    client = rooms(ServiceAuth(Auth().tokens("wrong")))

    with pytest.raises(Unavailable):
        await call(client, "GET", "/")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"access_token":"t"}',
        b'{"access_token":7,"expires_in":300}',
        b'{"access_token":"t","expires_in":"soon"}',
        b'{"access_token":"t","expires_in":Infinity}',
        b'{"access_token":"t","expires_in":-1}',
        b"[" * 10_000,
    ],
)
async def test_a_malformed_service_token_raises_unavailable(body: bytes) -> None:
    page = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    auth = create_client("http://auth", transport=page)
    client = rooms(ServiceAuth(ClientCredentials(auth, name="history", secret="right")))

    with pytest.raises(Unavailable):
        await call(client, "GET", "/")
