from collections.abc import Callable

import httpx
import pytest
from typing_extensions import override

from madang_common.http import request_id
from madang_common.http.client import call, create_client
from madang_common.http.keepalive import CLIENT_KEEPALIVE_SECONDS, SERVER_KEEPALIVE_SECONDS
from madang_common.problems import (
    Conflict,
    NotFound,
    Problem,
    TooManyRequests,
    Unavailable,
)


class Wire(httpx.AsyncBaseTransport):
    """Fails a number of times, then answers; counts requests."""

    def __init__(self, *failures: type[httpx.TransportError], answer: httpx.Response) -> None:
        self.failures = list(failures)
        self.answer = answer
        self.sent: list[httpx.Request] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if self.failures:
            raise self.failures.pop(0)("broken", request=request)
        return self.answer

    def client(self) -> httpx.AsyncClient:
        return create_client("http://rooms", transport=self)


def answering(status: int, **document: object) -> Callable[..., Wire]:
    def wire(*failures: type[httpx.TransportError]) -> Wire:
        return Wire(*failures, answer=httpx.Response(status, json=document))

    return wire


well = answering(200)


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_reads_are_retried(method: str, failure: type[httpx.TransportError]) -> None:
    wire = well(failure, failure)

    assert (await call(wire.client(), method, "/x")).is_success
    assert len(wire.sent) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_writes_are_retried_only_if_they_were_never_sent(method: str) -> None:
    never_left = well(httpx.ConnectError, httpx.ConnectError)

    assert (await call(never_left.client(), method, "/x")).is_success

    assert len(never_left.sent) == 3
    for failure in (httpx.ReadTimeout, httpx.ReadError, httpx.WriteError, httpx.ConnectTimeout):
        may_have_left = well(failure)
        with pytest.raises(Unavailable):
            await call(may_have_left.client(), method, "/x")
        assert len(may_have_left.sent) == 1


async def test_retries_are_limited() -> None:
    wire = well(*[httpx.ConnectError] * 10)

    with pytest.raises(Unavailable):
        await call(wire.client(), "GET", "/x")

    assert len(wire.sent) == 3


async def test_a_retry_sends_the_whole_body() -> None:
    wire = well(httpx.ConnectError)

    await call(wire.client(), "POST", "/x", json={"a": 1})

    assert [await request.aread() for request in wire.sent] == [b'{"a":1}'] * 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_response_is_not_retried_and_a_5xx_is_unavailable(status: int) -> None:
    wire = answering(status, detail="secret")()

    with pytest.raises(Unavailable) as raised:
        await call(wire.client(), "GET", "/x")

    assert len(wire.sent) == 1
    assert "secret" not in str(raised.value)


async def test_the_problem_of_the_other_service_is_raised() -> None:
    document = Conflict("the name is taken", field="name").document()
    wire = Wire(answer=httpx.Response(409, json=document))

    with pytest.raises(Conflict, match="the name is taken") as raised:
        await call(wire.client(), "POST", "/x")

    assert raised.value.members == {"field": "name"}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"text"', b"\xff"])
async def test_an_error_without_a_problem_is_mapped_by_status(content: bytes) -> None:
    for status, kind in ((404, NotFound), (429, TooManyRequests), (418, Problem)):
        wire = Wire(answer=httpx.Response(status, content=content))
        with pytest.raises(Problem) as raised:
            await call(wire.client(), "GET", "/x")
        assert type(raised.value) is kind


async def test_the_request_id_is_forwarded() -> None:
    wire = well()
    request_id.begin("my-request-id")

    await call(wire.client(), "GET", "/x")

    assert wire.sent[0].headers[request_id.HEADER] == "my-request-id"


async def test_idle_connections_are_closed_long_before_the_server_closes_them() -> None:
    client = create_client("http://rooms")
    transport = client._transport._transport  # type: ignore[attr-defined]

    assert transport._pool._keepalive_expiry == CLIENT_KEEPALIVE_SECONDS
    assert CLIENT_KEEPALIVE_SECONDS * 2 <= SERVER_KEEPALIVE_SECONDS
    await client.aclose()


async def test_redirects_are_not_followed() -> None:
    wire = Wire(answer=httpx.Response(307, headers={"Location": "http://evil.example/"}))

    with pytest.raises(Problem):
        await call(wire.client(), "GET", "/x")

    assert len(wire.sent) == 1
