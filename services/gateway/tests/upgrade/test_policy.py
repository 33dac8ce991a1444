from collections.abc import Sequence
from http import HTTPStatus

import orjson
import pytest
from websockets.datastructures import Headers

from madang_common.http.hosts import AllowedHosts, UnknownHost
from madang_common.problems import Forbidden, NotFound, Problem
from madang_gateway.upgrade.policy import (
    Framing,
    check_host,
    check_origin,
    framing,
    refusal,
    rejection,
    upgrade_token,
)


def test_an_upgrade_is_for_one_of_the_hosts() -> None:
    hosts = AllowedHosts(["chat.example"])
    rebound = Headers({"Host": "rebind.evil", "Origin": "http://rebind.evil"})

    check_host(Headers({"Host": "chat.example:8443"}), hosts)
    check_host(Headers({"Host": "192.0.2.7"}), hosts)
    with pytest.raises(UnknownHost):
        check_host(rebound, hosts)


def check(
    *origins: str, allowed: Sequence[str] = (), hosts: Sequence[str] = ("chat.example",)
) -> None:
    headers = Headers([("Host", host) for host in hosts])
    for origin in origins:
        headers["Origin"] = origin
    check_origin(headers, allowed)


@pytest.mark.parametrize(
    "path", ["/ws", "/ws?token=x", "/ws?", "/ws-stomp", "/ws-stomp/websocket", "/ws-stomp?x"]
)
def test_the_stomp_paths_have_stomp_framing(path: str) -> None:
    assert framing(path) is Framing.STOMP


@pytest.mark.parametrize(
    "path",
    [
        "/ws-stomp/000/abc/websocket",
        "/ws-stomp/_/_/websocket",
        "/ws-stomp/a%20b/c-d_e/websocket?t=1",
    ],
)
def test_the_sockjs_session_paths_have_sockjs_framing(path: str) -> None:
    assert framing(path) is Framing.SOCKJS


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ws/",
        "/WS",
        "/ws2",
        "//ws",
        "/ws#x",
        "*",
        "\udcff",
        "/ws-stomp/",
        "/ws-stomp//a/websocket",
        "/ws-stomp/a//websocket",
        "/ws-stomp/a./a/websocket",
        "/ws-stomp/../a/websocket",
        "/ws-stomp/a/websocket",
        "/ws-stomp/a/b/c/websocket",
        "/ws-stomp/a/b/xhr",
        "/ws-stomp/a/b/websocket/",
        "/ws-stomp/info",
    ],
)
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        framing(path)


def test_clients_without_an_origin_may_connect() -> None:
    check()


@pytest.mark.parametrize("origin", ["https://chat.example", "http://chat.example"])
def test_a_page_of_the_same_host_may_connect(origin: str) -> None:
    check(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://chat.example.evil.example",
        "https://chat.example:8443",
        "https://chat.example@evil.example",
        "null",
        "",
        "http://[",
        "chat.example",
        "//",
    ],
)
def test_pages_of_other_origins_may_not_connect(origin: str) -> None:
    with pytest.raises(Forbidden):
        check(origin)


def test_pages_of_allowed_origins_may_connect() -> None:
    check("https://app.example", allowed=["https://app.example"])
    with pytest.raises(Forbidden):
        check("https://app.example.evil.example", allowed=["https://app.example"])


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://["])
def test_a_star_allows_every_origin(origin: str) -> None:
    check(origin, allowed=["*"])


def test_several_origins_or_hosts_are_refused() -> None:
    with pytest.raises(Forbidden):
        check("https://chat.example", "https://chat.example")
    with pytest.raises(Forbidden):
        check("https://chat.example", hosts=("chat.example", "chat.example"))
    with pytest.raises(Forbidden):
        check("https://", hosts=())


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        (["Bearer abc"], "abc"),
        (["bearer  abc "], "abc"),
        (["Basic abc"], None),
        (["abc"], None),
        (["Bearer "], None),
        (["Bearer a", "Bearer b"], None),
        ([], None),
    ],
)
def test_bearer_token_reads_the_authorization_header(
    authorization: list[str], token: str | None
) -> None:
    assert upgrade_token(Headers([("Authorization", value) for value in authorization])) == token


def test_a_refusal_is_a_problem_document() -> None:
    response = refusal(Problem("because", retry_after_seconds=4.2))

    assert (response.status_code, response.reason_phrase) == (500, "Internal error")
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Content-Length"] == str(len(response.body or b""))
    assert b"because" in (response.body or b"")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "urn:madang:problem:invalid-request"),
        (426, "urn:madang:problem:upgrade-required"),
        (405, "about:blank"),
        (431, "about:blank"),
    ],
)
def test_a_rejection_of_the_library_is_a_problem_document(status: int, kind: str) -> None:
    response = rejection(HTTPStatus(status), "no such version.\n\nUse a client.\n")

    document = orjson.loads(response.body or b"")
    assert (response.status_code, document["status"]) == (status, status)
    assert (document["type"], document["detail"]) == (kind, "no such version.")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Sec-WebSocket-Version"] == "13"
