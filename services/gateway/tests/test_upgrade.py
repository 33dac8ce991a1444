from collections.abc import Sequence

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from madang_common.problems import Forbidden, NotFound, Problem, Unavailable
from madang_gateway.upgrade import check_request, refusal


def check(
    *origins: str,
    path: str = "/ws",
    allowed: Sequence[str] = (),
    hosts: Sequence[str] = ("chat.example",),
    full: bool = False,
) -> None:
    headers = Headers([("Host", host) for host in hosts])
    for origin in origins:
        headers["Origin"] = origin
    check_request(Request(path, headers), allowed_origins=allowed, full=full)


@pytest.mark.parametrize("path", ["/ws", "/ws?token=x", "/ws?"])
def test_websocket_is_spoken_at_one_path(path: str) -> None:
    check(path=path)


@pytest.mark.parametrize("path", ["/", "/ws/", "/WS", "/ws2", "//ws", "/ws#x", "*", "\udcff"])
def test_other_paths_are_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        check(path=path)


def test_programs_send_no_origin() -> None:
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
def test_other_pages_may_not(origin: str) -> None:
    with pytest.raises(Forbidden):
        check(origin)


def test_pages_on_the_list_may_connect() -> None:
    check("https://app.example", allowed=["https://app.example"])
    with pytest.raises(Forbidden):
        check("https://app.example.evil.example", allowed=["https://app.example"])


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://["])
def test_a_star_lets_every_page_in(origin: str) -> None:
    check(origin, allowed=["*"])


def test_two_origins_or_hosts_are_nobodys_page() -> None:
    with pytest.raises(Forbidden):
        check("https://chat.example", "https://chat.example")
    with pytest.raises(Forbidden):
        check("https://chat.example", hosts=("chat.example", "chat.example"))
    with pytest.raises(Forbidden):
        check("https://", hosts=())


def test_a_full_gateway_says_when_to_come_back() -> None:
    with pytest.raises(Unavailable) as refused:
        check(full=True)

    response = refusal(refused.value)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Content-Length"] == str(len(response.body or b""))


def test_a_refusal_tells_the_problem() -> None:
    response = refusal(Problem("because"))

    assert (response.status_code, response.reason_phrase) == (500, "Internal error")
    assert b"because" in (response.body or b"")
