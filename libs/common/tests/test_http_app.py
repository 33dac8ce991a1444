from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, Field
from structlog.testing import capture_logs

from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.inprocess import InProcessNetwork
from madang_common.http.request_id import HEADER
from madang_common.problems import (
    MAX_ERRORS,
    MEDIA_TYPE,
    Conflict,
    NotFound,
    Problem,
    TooManyRequests,
)
from madang_common.settings import CommonSettings, Environment

LIMIT = 1000


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Annotated[str, Field(min_length=8)]


router = APIRouter()


@router.post("/login")
async def login(body: Login) -> dict[str, int]:
    return {"length": len(body.password)}


@router.post("/raw")
async def raw(request: Request) -> dict[str, int]:
    return {"length": len(await request.body())}


@router.put("/raw")
async def put_raw() -> None:
    return


@router.get("/conflict/{name}")
async def conflict(name: str) -> None:
    raise Conflict("the name is taken", name=name)


@router.get("/slow-down")
async def slow_down() -> None:
    raise TooManyRequests(retry_after_seconds=1.2)


@router.get("/internal/thing")
async def internal_thing() -> None:
    raise NotFound("there is none")


@router.get("/failed")
async def failed() -> None:
    raise Problem


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("a secret")


def app_with(**settings: Any) -> FastAPI:
    given = CommonSettings(
        environment=Environment.DEVELOPMENT, request_body_bytes=LIMIT, **settings
    )
    return create_app(
        "test", given, routers=[router], health=Health({}), registry=CollectorRegistry()
    )


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
def app() -> FastAPI:
    return app_with()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_problem_becomes_a_problem_response(client: httpx.AsyncClient) -> None:
    answer = await client.get("/conflict/yard")

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.json() == {
        "type": "urn:madang:problem:conflict",
        "title": "The current state does not allow this",
        "status": 409,
        "detail": "the name is taken",
        "name": "yard",
    }


async def test_a_problem_response_has_its_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/slow-down")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")


async def test_a_wrong_field_is_named_and_its_value_is_not_repeated(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/login", json={"password": "hunter2"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, MEDIA_TYPE)
    assert answer.json()["type"] == "urn:madang:problem:invalid-body"
    assert answer.json()["errors"][0]["field"] == "body.password"
    assert "hunter2" not in answer.text


async def test_the_number_of_field_errors_is_limited(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", json={str(number): 0 for number in range(100)})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MAX_ERRORS


async def test_a_trailing_slash_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login/", json={"password": "12345678"})

    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 900])
async def test_malformed_json_gets_a_problem(client: httpx.AsyncClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await client.post("/login", content=content, headers=headers)

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == MEDIA_TYPE


async def test_a_body_that_is_not_declared_as_json_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", content=b'{"password": "long enough"}')

    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "Body: must be JSON, sent with Content-Type: application/json."
    )


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/no", 404), ("PATCH", "/raw", 405)]
)
async def test_an_unknown_route_gets_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, MEDIA_TYPE)
    assert answer.json()["status"] == status


async def test_an_unexpected_exception_is_not_exposed(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/broken", headers={HEADER: "my-request-id"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, MEDIA_TYPE)
    assert "secret" not in answer.text
    assert answer.headers[HEADER] == "my-request-id"
    failed = ("madang_http_requests_failed_total", {"service": "test"})
    assert app.state.registry.get_sample_value(*failed) == 1


async def test_a_body_at_the_limit_is_accepted(client: httpx.AsyncClient) -> None:
    announced = await client.post("/raw", content=b"x" * LIMIT)
    streamed = await client.post("/raw", content=pieces(b"x" * 600, b"x" * 400))

    assert announced.json() == streamed.json() == {"length": LIMIT}


@pytest.mark.parametrize("path", ["/raw", "/login"])
async def test_a_larger_body_is_refused_with_or_without_its_length(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = {"Content-Type": "application/json"}

    answers = [
        await client.post(path, content=b" " * (LIMIT + 1), headers=headers),
        await client.post(path, content=pieces(b" " * 600, b" " * 401), headers=headers),
    ]

    for answer in answers:
        assert (answer.status_code, answer.headers["Content-Type"]) == (413, MEDIA_TYPE)
        assert answer.json()["type"] == "urn:madang:problem:too-large"
        assert HEADER in answer.headers


async def test_a_well_formed_request_id_is_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={HEADER: "my-request-id"})

    assert answer.headers[HEADER] == "my-request-id"


@pytest.mark.parametrize(
    "given", [None, "", "short", "x" * 65, "with spaces in it", 'quote"quote"']
)
async def test_any_other_request_id_is_replaced(
    client: httpx.AsyncClient, given: str | None
) -> None:
    headers = {} if given is None else {HEADER: given}

    made = {(await client.get("/health/live", headers=headers)).headers[HEADER] for _ in range(2)}

    assert len(made) == 2
    assert given not in made


async def test_requests_are_counted_by_route_not_by_path(client: httpx.AsyncClient) -> None:
    for name in ("a", "b"):
        await client.get(f"/conflict/{name}")
    await client.get("/no/such/path")

    text = (await client.get("/metrics")).text

    assert 'method="GET",route="/conflict/{name}",service="test",status="409"} 2.0' in text
    assert 'route="unknown",service="test",status="404"} 1.0' in text
    assert "/no/such/path" not in text


async def test_unknown_methods_share_one_label(client: httpx.AsyncClient) -> None:
    for method in ("PROPFIND", "MKCOL", "TRACE", "INVENTED"):
        await client.request(method, "/raw")

    text = (await client.get("/metrics")).text

    assert 'method="other",route="/raw",service="test",status="405"} 4.0' in text
    assert "PROPFIND" not in text


@pytest.mark.parametrize("path", ["/conflict/yard", "/health/live", "/metrics", "/no", "/broken"])
async def test_head_is_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    got = await client.get(path)
    head = await client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert 'method="HEAD",route="/health/live"' in (await client.get("/metrics")).text or (
        path != "/health/live"
    )


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/raw", {"POST", "PUT", "OPTIONS"}),
        ("/conflict/yard", {"GET", "HEAD", "OPTIONS"}),
        ("/metrics", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_allow_has_every_method_of_the_path(
    client: httpx.AsyncClient, path: str, allowed: set[str]
) -> None:
    for method, status in (("DELETE", 405), ("OPTIONS", 204)):
        answer = await client.request(method, path)

        assert answer.status_code == status
        assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/conflict/yard", 409),
        ("GET", "/no", 404),
        ("DELETE", "/raw", 405),
        ("GET", "/broken", 500),
        ("POST", "/login", 422),
    ],
)
@pytest.mark.parametrize("origins", [("https://app.example",), ("*",)])
async def test_every_response_has_security_and_cors_headers(
    method: str, path: str, status: int, origins: tuple[str, ...]
) -> None:
    app = app_with(allowed_origins=origins)
    shared = "*" if origins == ("*",) else "https://app.example"

    async with client_of(app) as client:
        answer = await client.request(method, path, headers={"Origin": "https://app.example"})
        other = await client.request(method, path, headers={"Origin": "https://evil.example"})

    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers[HEADER]
    assert answer.headers["Access-Control-Allow-Origin"] == shared
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    if origins != ("*",):
        assert answer.headers["Vary"] == other.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_a_preflight_names_the_methods_and_headers() -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}

    async with client_of(app_with(allowed_origins=("https://app.example",))) as client:
        answer = await client.options("/raw", headers=asked)
        other = await client.options("/raw", headers=asked | {"Origin": "https://evil.example"})

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, PUT, OPTIONS"
    assert "Authorization, Content-Type" in answer.headers["Access-Control-Allow-Headers"]
    assert not [name for name in other.headers if name.startswith("access-control-")]


async def test_a_request_for_another_host_is_refused() -> None:
    async with client_of(app_with(allowed_hosts=("chat.example",))) as client:
        refused = await client.get("/health/live", headers={"Host": "rebind.evil"})
        answered = await client.get("/health/live", headers={"Host": "chat.example:8000"})

    assert (refused.status_code, answered.status_code) == (421, 200)


async def test_the_detail_describes_the_first_field_error(client: httpx.AsyncClient) -> None:
    short = (await client.post("/login", json={"password": "hunter2"})).json()
    json = {"Content-Type": "application/json"}
    unread = (await client.post("/login", content=b"{", headers=json)).json()

    assert short["title"] == "Invalid field"
    assert short["detail"] == "Password: at least 8 characters."
    assert short["errors"] == [{"field": "body.password", "message": "at least 8 characters"}]
    assert unread["detail"] == "Body: not valid JSON."


@pytest.mark.parametrize(
    ("method", "path", "content", "kind"),
    [
        ("GET", "/conflict/yard", b"", "conflict"),
        ("GET", "/slow-down", b"", "too-many-requests"),
        ("POST", "/login", b"{}", "invalid-body"),
        ("POST", "/login", b'{"a": "\xff"}', "invalid-request"),
        ("POST", "/login", b" " * (LIMIT + 1), "too-large"),
    ],
)
async def test_a_refusal_is_logged_and_counted_once(
    app: FastAPI, client: httpx.AsyncClient, method: str, path: str, content: bytes, kind: str
) -> None:
    headers = {HEADER: "my-request-id", "Content-Type": "application/json"}

    with capture_logs() as entries:
        answer = await client.request(method, path, content=content, headers=headers)

    (refused,) = (entry for entry in entries if entry["event"] == "refused")
    assert answer.json()["type"] == f"urn:madang:problem:{kind}"
    assert (refused["type"], refused["request_id"]) == (kind, "my-request-id")
    assert refused["detail"]
    counted = ("madang_test_refusals_total", {"type": kind})
    assert app.state.registry.get_sample_value(*counted) == 1


async def test_a_request_for_another_host_is_a_refusal() -> None:
    app = app_with(allowed_hosts=("chat.example",))
    async with client_of(app) as client:
        with capture_logs() as entries:
            await client.get("/health/live", headers={"Host": "rebind.evil"})

    assert [entry["type"] for entry in entries if entry["event"] == "refused"] == ["unknown-host"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/broken"), ("GET", "/no"), ("PATCH", "/raw"), ("GET", "/failed")]
)
async def test_server_errors_and_unknown_paths_are_not_refusals(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    with capture_logs() as entries:
        await client.request(method, path)

    assert not [entry for entry in entries if entry["event"] == "refused"]


async def test_refusals_of_another_service_are_not_logged(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    network = InProcessNetwork()
    network.add("test", app)

    with capture_logs() as entries:
        response = await client.get("/internal/thing")
        async with httpx.AsyncClient(transport=network, base_url="http://test") as near:
            await near.get("/internal/thing")
            await near.get("/conflict/yard")

    assert response.status_code == 404
    assert not [entry for entry in entries if entry["event"] == "refused"]
    levels = [entry["log_level"] for entry in entries if entry["event"] == "request"]
    # Over the network, an error between services may be a mistake in their settings.
    assert levels == ["info", "debug", "debug"]


async def test_the_documentation_is_not_served(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 404
