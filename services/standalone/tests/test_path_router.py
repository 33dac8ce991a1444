import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from madang_common.http.request_limit import RequestAllowance
from madang_common.settings import CommonSettings, Environment
from madang_standalone.path_router import PathRouter


def answering(name: str) -> ASGIApp:
    return PlainTextResponse(name)


@pytest.mark.parametrize(
    ("path", "answered_by"),
    [
        ("/api/auth/v1/login", "auth"),
        ("/.well-known/jwks.json", "auth"),
        ("/api/rooms/v1/rooms", "rooms"),
        ("/ws", "gateway"),
        ("/ws-stomp", "gateway"),
        ("/ws-stomp/info", "gateway"),
        ("/api/roomsier", "site"),
        ("/internal/access", "site"),
        ("/api/../internal/access", "site"),
        ("/docs", "site"),
        ("/openapi.json", "site"),
        ("/", "site"),
    ],
)
async def test_a_path_is_routed_by_its_prefix(path: str, answered_by: str) -> None:
    auth = answering("auth")
    apps = {
        "/api/auth/": auth,
        "/.well-known/": auth,
        "/api/rooms/": answering("rooms"),
        "/ws": answering("gateway"),
    }
    settings = CommonSettings(environment=Environment.DEVELOPMENT)
    router = PathRouter(apps, answering("site"), RequestAllowance(settings))

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(router), base_url="http://madang"
    ) as client:
        answer = await client.get(path)

    assert answer.text == answered_by
