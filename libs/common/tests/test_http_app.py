from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, Field

from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.request_id import HEADER
from madang_common.problems import MEDIA_TYPE, MOST_ERRORS, Conflict, TooManyRequests
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


@router.get("/conflict/{name}")
async def conflict(name: str) -> None:
    raise Conflict("the name is taken", name=name)


@router.get("/slow-down")
async def slow_down() -> None:
    raise TooManyRequests(retry_after_seconds=1.2)


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError("a secret")


@pytest.fixture
def app() -> FastAPI:
    settings = CommonSettings(environment=Environment.DEVELOPMENT, request_body_bytes=LIMIT)
    return create_app(
        "test", settings, routers=[router], health=Health({}), registry=CollectorRegistry()
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_problem_is_told_as_one(client: httpx.AsyncClient) -> None:
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


async def test_a_problem_brings_its_headers(client: httpx.AsyncClient) -> None:
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


async def test_the_answer_does_not_grow_with_what_was_sent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", json={str(number): 0 for number in range(100)})

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MOST_ERRORS


async def test_a_slash_too_many_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login/", json={"password": "12345678"})

    assert answer.status_code == 404
    assert "Location" not in answer.headers


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 900])
async def test_what_is_no_json_is_told_as_a_problem(
    client: httpx.AsyncClient, content: bytes
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await client.post("/login", content=content, headers=headers)

    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == MEDIA_TYPE


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/no", 404), ("PUT", "/raw", 405)])
async def test_what_no_route_answers_is_told_as_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, MEDIA_TYPE)
    assert answer.json()["status"] == status


async def test_an_unexpected_exception_tells_nothing(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/broken", headers={HEADER: "my-request-id"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, MEDIA_TYPE)
    assert "secret" not in answer.text
    assert answer.headers[HEADER] == "my-request-id"
    failed = ("madang_http_requests_failed_total", {"service": "test"})
    assert app.state.registry.get_sample_value(*failed) == 1


async def test_a_body_of_the_largest_size_is_read(client: httpx.AsyncClient) -> None:
    announced = await client.post("/raw", content=b"x" * LIMIT)
    streamed = await client.post("/raw", content=pieces(b"x" * 600, b"x" * 400))

    assert announced.json() == streamed.json() == {"length": LIMIT}


@pytest.mark.parametrize("path", ["/raw", "/login"])
async def test_a_larger_body_is_refused_announced_or_not(
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


async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient) -> None:
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


async def test_the_documentation_is_not_served(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await client.get(path)).status_code == 404
