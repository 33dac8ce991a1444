"""Properties of every REST response, from outside, on both forms of the product."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.people import PASSWORD, Person, register
from tests.e2e.product import Product

APP = "https://app.example"
ROOMS = "/api/rooms/v1/rooms"
SECURE = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


@contextmanager
def client_of(product: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=product.url, timeout=10) as client:
        yield client


def test_head_is_answered_where_get_is(client: httpx.Client, minji: Person) -> None:
    for path in (ROOMS, "/.well-known/jwks.json", "/", "/app.js", f"{ROOMS}/no-such-room"):
        got = client.get(path, headers=bearer(minji))
        head = client.head(path, headers=bearer(minji))

        assert head.status_code == got.status_code, path
        assert head.content == b""
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_allow_names_every_method_of_the_path(client: httpx.Client, minji: Person) -> None:
    for method, status in (("PUT", 405), ("OPTIONS", 204)):
        answer = client.request(method, ROOMS, headers=bearer(minji))

        assert answer.status_code == status
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


@pytest.mark.parametrize(
    ("path", "status"),
    [(ROOMS, 200), (ROOMS, 401), (f"{ROOMS}/nowhere/at/all", 404), ("/api/nowhere", 404)],
)
def test_answers_are_not_stored_sniffed_or_framed(
    client: httpx.Client, minji: Person, path: str, status: int
) -> None:
    answer = client.get(path, headers=bearer(minji) if status != 401 else {})

    assert answer.status_code == status
    assert answer.headers.get_list("Cache-Control") == ["no-store"]
    for name, value in SECURE.items():
        assert answer.headers.get_list(name) == [value]


@pytest.mark.parametrize("path", [ROOMS, "/", "/ws", "/no-such-page"])
def test_requests_for_another_host_are_refused(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Host": "rebind.evil", "Origin": "http://rebind.evil"})

    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:madang:problem:unknown-host"
    assert "rebind" not in answer.text


@pytest.mark.parametrize(
    ("host", "status"), [("rebind.evil", 421), ("localhost", 101), ("127.0.0.1", 101)]
)
def test_a_websocket_for_another_host_is_refused(
    client: httpx.Client, host: str, status: int
) -> None:
    upgrade = {
        "Host": host,
        "Origin": f"{client.base_url.scheme}://{host}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }

    with client.stream("GET", "/ws", headers=upgrade) as answer:
        assert answer.status_code == status


def test_a_plain_request_for_the_websocket_is_told_to_upgrade(client: httpx.Client) -> None:
    answer = client.get("/ws")

    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.json()["type"] == "urn:madang:problem:upgrade-required"


def test_wrong_fields_are_told_in_words(client: httpx.Client) -> None:
    body = {"username": "x", "password": "hunter2"}

    answer = client.post("/api/auth/v1/register", json=body).json()

    assert answer["title"] == "Invalid field"
    assert answer["detail"].startswith("Username: 3 to 32 ")
    assert {error["field"] for error in answer["errors"]} == {"body.username", "body.password"}
    assert "Value error" not in str(answer)
    assert "hunter2" not in str(answer)


def test_a_taken_username_is_told_in_a_sentence(client: httpx.Client, minji: Person) -> None:
    account = {"username": minji.username, "password": PASSWORD}

    answer = client.post("/api/auth/v1/register", json=account)

    assert (answer.status_code, answer.json()["detail"]) == (409, "This username is taken.")


def preflight(client: httpx.Client, path: str, origin: str) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options(path, headers=asked)


def test_pages_of_allowed_origins_use_rest_and_no_others(
    with_settings: Callable[..., Product],
) -> None:
    product = with_settings(
        MADANG_ALLOWED_ORIGINS=f"{APP}/, http://other.example:80",
        MADANG_REQUESTS_PER_SECOND_PER_USER="0.01",
        MADANG_REQUESTS_BURST_PER_USER="3",
    )
    with client_of(product) as client:
        minji = register(client, "minji")
        origin = {"Origin": APP}
        answers = [
            client.get(ROOMS, headers=origin),
            client.get(f"{ROOMS}/no/where", headers=origin),
            client.put(ROOMS, headers=origin),
            client.post("/api/auth/v1/login", headers=origin, content=b"x" * 70_000),
            client.post("/api/auth/v1/login", headers=origin, json={"username": "x"}),
            client.get("/.well-known/jwks.json", headers=origin),
            *(client.get(ROOMS, headers=origin | bearer(minji)) for _ in range(9)),
        ]
        asked = preflight(client, ROOMS, APP)
        other = preflight(client, ROOMS, "https://evil.example")
        others = client.get(ROOMS, headers=bearer(minji) | {"Origin": "https://evil.example"})

    assert {answer.status_code for answer in answers} == {200, 401, 404, 405, 413, 422, 429}
    for answer in answers:
        if answer.status_code == 413 and product.url.startswith("https"):
            # nginx refuses it itself, whoever asks.
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            continue
        assert answer.headers.get_list("Access-Control-Allow-Origin") == [APP]
        assert "Origin" in answer.headers["Vary"]
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 1
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == APP
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    allowed = asked.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(allowed.split(", "))
    for answer in (other, others):
        assert "Access-Control-Allow-Origin" not in answer.headers
