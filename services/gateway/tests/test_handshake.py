import pytest

from madang_common.problems import InvalidRequest
from madang_gateway.handshake import Handshake, read_request
from services.gateway.tests.raw_socket import UPGRADE


def head(*more: str, path: str = "/ws", **changes: str) -> bytes:
    """Return the head of a good request, with some headers changed and others added."""
    named = UPGRADE | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in named.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, *more, "", ""]).encode("latin-1")


def handshake(*, deflate: bool = False) -> Handshake:
    return Handshake(max_size=1000, deflate=deflate)


def test_a_request_is_read_as_it_was_sent() -> None:
    request = read_request(head("X-Name: \t 마당 ".encode().decode("latin-1"), "x-name:b:c"))

    assert (request.method, request.path, request.protocol) == ("GET", "/ws", "HTTP/1.1")
    assert request.headers["sec-websocket-version"] == "13"
    assert request.headers.get_all("X-Name") == ["마당".encode().decode("latin-1"), "b:c"]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\r\n\r\n",
        b"GET /ws\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        head("no colon"),
        head("X: a\nb"),
        head("Transfer-Encoding: chunked"),
        head("Content-Length: 5"),
        head("Content-Length: 0", "Content-Length: 5"),
        head(*(f"X{number}: y" for number in range(200))),
    ],
)
def test_what_is_more_or_less_than_a_handshake_is_refused(broken: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_request(broken)


def test_an_empty_body_is_none() -> None:
    assert read_request(head("Content-Length: 0")).headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ("v10.stomp, v12.stomp", "v12.stomp"),
        ("v11.stomp", "v11.stomp"),
        ("soap", None),
        ("soap, v10.stomp", "v10.stomp"),
    ],
)
def test_the_newest_subprotocol_is_taken(offered: str, taken: str | None) -> None:
    request = read_request(head(Sec_WebSocket_Protocol=offered))

    response, agreed = handshake().answer(request)

    assert response.status_code == 101
    assert response.headers.get("Sec-WebSocket-Protocol") == taken
    assert agreed == (taken, [])


def test_one_handshake_leaves_nothing_to_the_next() -> None:
    shared = handshake(deflate=True)
    deflate = "permessage-deflate; client_max_window_bits"

    rich, first = shared.answer(
        read_request(head(Sec_WebSocket_Extensions=deflate, Sec_WebSocket_Protocol="v12.stomp"))
    )
    refused, none = shared.answer(read_request(head(Sec_WebSocket_Version="8")))
    poor, second = shared.answer(read_request(head()))

    assert (rich.status_code, refused.status_code, poor.status_code) == (101, 400, 101)
    assert first is not None
    assert none is None
    assert second is not None
    assert (len(first.extensions), first.subprotocol) == (1, "v12.stomp")
    assert (len(second.extensions), second.subprotocol) == (0, None)
    assert "Sec-WebSocket-Extensions" not in poor.headers
