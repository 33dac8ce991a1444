"""The HTTP endpoints of SockJS 0.3.3, by the sections of its protocol tests."""

from pathlib import Path

import pytest

from services.gateway.tests.harness import Harness, running

URL = "/ws-stomp"


@pytest.mark.parametrize("path", [URL, f"{URL}/"])
async def test_greeting(harness: Harness, path: str) -> None:
    answer = await harness.http.get(path)

    assert (answer.status_code, answer.text) == (200, "Welcome to SockJS!\n")
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert "set-cookie" not in answer.headers


async def test_info(harness: Harness) -> None:
    answer, again = [await harness.http.get(f"{URL}/info") for _ in range(2)]

    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store, no-cache, must-revalidate, max-age=0"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert not {"set-cookie", "expires", "last-modified"} & set(answer.headers)
    expected = answer.json()
    entropy = expected.pop("entropy")
    assert expected == {"websocket": True, "cookie_needed": False, "origins": ["*:*"]}
    assert 0 <= entropy < 2**32
    assert entropy != again.json()["entropy"]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("https://app.example", "https://app.example"), ("null", "*"), (None, "*")],
)
async def test_info_may_be_read_by_pages_that_may_connect(
    tmp_path: Path, origin: str | None, expected: str
) -> None:
    async with running(tmp_path, allowed_origins=("*",)) as harness:
        headers = {} if origin is None else {"Origin": origin}
        asked = headers | {"Access-Control-Request-Headers": "x-a, x-b"}

        answer = await harness.http.get(f"{URL}/info", headers=headers)
        preflight = await harness.http.options(f"{URL}/info", headers=asked)

    assert preflight.status_code == 204
    assert preflight.content == b""
    assert preflight.headers["access-control-allow-methods"] == "OPTIONS, GET"
    assert preflight.headers["access-control-allow-headers"] == "x-a, x-b"
    assert int(preflight.headers["access-control-max-age"]) > 1_000_000
    assert "public" in preflight.headers["cache-control"]
    assert "max-age=31536000" in preflight.headers["cache-control"]
    assert preflight.headers["expires"]
    for one in (answer, preflight):
        assert one.headers["access-control-allow-origin"] == expected
        assert one.headers["access-control-allow-credentials"] == "true"
        assert one.headers["vary"] == "Origin"


async def test_info_may_not_be_read_by_pages_that_may_not_connect(harness: Harness) -> None:
    evil = {"Origin": "https://evil.example"}

    for answer in (
        await harness.http.get(f"{URL}/info", headers=evil),
        await harness.http.options(f"{URL}/info", headers=evil),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    own = {"Origin": f"http://127.0.0.1:{harness.port}"}
    assert (await harness.http.get(f"{URL}/info", headers=own)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/000/abc/xhr", 404),
        ("POST", "/000/abc/xhr_send", 404),
        ("POST", "/000/abc/xhr_streaming", 404),
        ("GET", "/000/abc/eventsource", 404),
        ("GET", "/000/abc/htmlfile", 404),
        ("GET", "/000/abc/jsonp", 404),
        ("GET", "/iframe.html", 404),
        ("GET", "/a", 404),
        ("GET", "//", 404),
        ("GET", "/000/abc/websocket", 400),
        ("GET", "/websocket", 400),
        ("POST", "/000/abc/websocket", 405),
    ],
)
async def test_no_other_transport_is_served(
    harness: Harness, method: str, path: str, status: int
) -> None:
    answer = await harness.http.request(method, URL + path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
