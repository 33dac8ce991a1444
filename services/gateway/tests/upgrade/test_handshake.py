import pytest
from websockets.http11 import Request, Response

from madang_common.problems import InvalidRequest
from madang_gateway.protocol.stomp.negotiation import VERSIONS
from madang_gateway.upgrade.handshake import Agreed, Handshake, request_of
from services.gateway.tests.raw_socket import UPGRADE


def request(*more: tuple[bytes, bytes], **changes: str) -> Request:
    """Return a valid request, with some headers changed and others added."""
    named = UPGRADE | {name.replace("_", "-"): value for name, value in changes.items()}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    return request_of("GET", "/ws", "HTTP/1.1", [*headers, *more])


def handshake(*, deflate: bool = False) -> Handshake:
    return Handshake(max_size=1000, deflate=deflate)


def test_request_of_keeps_the_request_as_sent() -> None:
    upgrade = request((b"x-name", "마당 \t".encode()), (b"x-name", b"b:c"))

    assert (upgrade.method, upgrade.path, upgrade.protocol) == ("GET", "/ws", "HTTP/1.1")
    assert upgrade.headers["sec-websocket-version"] == "13"
    assert upgrade.headers.get_all("X-Name") == ["마당".encode().decode("latin-1"), "b:c"]


@pytest.mark.parametrize(
    "more",
    [
        [(b"x", b"a\nb")],
        [(b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5")],
        [(b"content-length", b"0"), (b"content-length", b"5")],
        [(b"x%d" % number, b"y") for number in range(200)],
    ],
)
def test_requests_with_a_body_or_too_many_headers_are_refused(
    more: list[tuple[bytes, bytes]],
) -> None:
    with pytest.raises(InvalidRequest):
        request(*more)


def test_an_empty_body_is_accepted() -> None:
    assert request((b"content-length", b"0")).headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    ("offered", "taken", "versions"),
    [
        ("v10.stomp, v12.stomp", "v12.stomp", ("1.2", "1.0")),
        ("v11.stomp", "v11.stomp", ("1.1",)),
        ("soap", None, VERSIONS),
        ("soap, v10.stomp", "v10.stomp", ("1.0",)),
    ],
)
def test_the_newest_subprotocol_is_chosen_and_all_versions_are_kept(
    offered: str, taken: str | None, versions: tuple[str, ...]
) -> None:
    agreed = handshake().answer(request(Sec_WebSocket_Protocol=offered))

    assert isinstance(agreed, Agreed)
    assert agreed.answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert agreed.answer.endswith(b"\r\n\r\n")
    said = b"" if taken is None else f"\r\nSec-WebSocket-Protocol: {taken}\r\n".encode()
    assert said in agreed.answer
    assert (b"Sec-WebSocket-Protocol" in agreed.answer) == bool(said)
    assert (agreed.subprotocol, agreed.versions, agreed.extensions) == (taken, versions, [])


def test_handshakes_do_not_affect_each_other() -> None:
    shared = handshake(deflate=True)
    deflate = "permessage-deflate; client_max_window_bits"

    rich = shared.answer(
        request(Sec_WebSocket_Extensions=deflate, Sec_WebSocket_Protocol="v12.stomp")
    )
    refused = shared.answer(request(Sec_WebSocket_Version="8"))
    poor = shared.answer(request())

    assert isinstance(refused, Response)
    assert refused.status_code == 400
    assert isinstance(rich, Agreed)
    assert (len(rich.extensions), rich.subprotocol) == (1, "v12.stomp")
    assert b"Sec-WebSocket-Extensions: permessage-deflate" in rich.answer
    assert isinstance(poor, Agreed)
    assert (len(poor.extensions), poor.subprotocol, poor.versions) == (0, None, VERSIONS)
    assert b"Sec-WebSocket-Extensions" not in poor.answer
